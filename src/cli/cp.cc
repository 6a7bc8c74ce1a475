#include "base/text.h"
#include "cli/commands.h"
#include "cli/copy_files.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"archive", 'a', FlagType::Bool, "Archive mode (copy all uid/gid information)"},
    {"follow-link", 'L', FlagType::Bool, "Always follow symbol link in SRC_PATH"},
    {"quiet", 'q', FlagType::Bool, "Suppress progress output during copy"},
};

struct Place {
    std::string container, path;
};
/// "c:/x" names a container's path; "/x:y" and "./x:y" are local.
Place parse_place(const std::string& text) {
    auto parts = cut(text, ":");
    if (text.starts_with('/') || !parts || parts->first.starts_with('.')) return {"", text};
    return {std::string(parts->first), std::string(parts->second)};
}

Result<int> run(Invocation& call) {
    Place from = parse_place(call.arguments[0]), to = parse_place(call.arguments[1]);
    CopyOptions options{call.flags.is("archive"), call.flags.is("follow-link")};
    if (call.arguments[0].empty()) return fail(ErrorKind::InvalidArgument, "source can not be empty");
    if (call.arguments[1].empty()) return fail(ErrorKind::InvalidArgument, "destination can not be empty");
    if (!from.container.empty() && !to.container.empty()) return fail(ErrorKind::InvalidArgument, "copying between containers is not supported");
    if (from.container.empty() && to.container.empty()) return fail(ErrorKind::InvalidArgument, "must specify at least one container source");
    client::Client& engine = *TRY(ready_engine(call));
    if (!from.container.empty()) TRY(copy_from_container(engine, from.container, from.path, to.path, options));
    else TRY(copy_to_container(engine, from.path, to.container, to.path, options));
    return 0;
}
}  // namespace

const Command kCopy = {"[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
                       "Copy files/folders between a container and the local filesystem", kFlags, exactly(2), run, true,
                       "Copy files/folders between a container and the local filesystem\n\nUse '-' as the source to read a tar archive from stdin\nand extract it to a "
                       "directory destination in a container.\nUse '-' as the destination to stream a tar archive of a\ncontainer source to stdout."};

}  // namespace proa::cli
