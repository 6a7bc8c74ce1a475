#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    std::string old_name(trim(call.arguments[0])), new_name(trim(call.arguments[1]));
    if (old_name.empty() || new_name.empty()) return fail(ErrorKind::InvalidArgument, "Error: Neither old nor new names may be empty");
    if (auto done = client::container_action(engine, old_name, "rename", {{"name", new_name}}); !done) {
        put_error_line(done.error().message());
        return fail(ErrorKind::Internal, concat("Error: failed to rename container named ", old_name));
    }
    return 0;
}
}  // namespace

const Command kRename = {"CONTAINER NEW_NAME", "Rename a container", {}, exactly(2), run};

}  // namespace proa::cli
