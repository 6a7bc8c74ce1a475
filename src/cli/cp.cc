#include "cli/commands.h"

namespace proa::cli {
namespace {
Result<int> run(Invocation&) { return fail(ErrorKind::Unsupported, "cp is not supported yet"); }
}  // namespace
const Command kCopy = {"[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-", "Copy files/folders between a container and the local filesystem", {}, exactly(2), run};
}  // namespace proa::cli
