#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
Result<int> each(Invocation& call, std::string_view action) {
    client::Client& engine = *TRY(ready_engine(call));
    return for_each_argument(call.arguments, [&](const std::string& id) -> Result<std::string> {
        TRY(client::container_action(engine, id, action));
        return id;
    });
}
Result<int> pause(Invocation& call) { return each(call, "pause"); }
Result<int> unpause(Invocation& call) { return each(call, "unpause"); }
}  // namespace

const Command kPause = {"CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", {}, at_least(1), pause};
const Command kUnpause = {"CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers", {}, at_least(1), unpause};

}  // namespace proa::cli
