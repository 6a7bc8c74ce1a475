#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"force", 'f', FlagType::Bool, "Force the removal of a running container (uses SIGKILL)"},
    {"link", 'l', FlagType::Bool, "Remove the specified link"},
    {"volumes", 'v', FlagType::Bool, "Remove anonymous volumes associated with the container"},
};

Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    bool force = call.flags.is("force");
    return for_each_argument(call.arguments, [&](const std::string& argument) -> Result<std::string> {
        std::string id(trim_prefix(argument, "/"));
        if (id.empty()) return fail(ErrorKind::InvalidArgument, "container name cannot be empty");
        auto removed = client::remove_container(engine, id, force, call.flags.is("volumes"), call.flags.is("link"));
        if (!removed && force && removed.error().is(ErrorKind::NotFound)) {
            put_error_line(removed.error().message());
            return std::string();
        }
        if (!removed) return fail(removed.error());
        return argument;
    });
}
}  // namespace

const Command kRemove = {"[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers", kFlags, at_least(1), run};

}  // namespace proa::cli
