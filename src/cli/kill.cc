#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {{"signal", 's', FlagType::String, "Signal to send to the container"}};

Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return for_each_argument(call.arguments, [&](const std::string& id) -> Result<std::string> {
        TRY(client::kill_container(engine, id, call.flags.text("signal")));
        return id;
    });
}
}  // namespace

const Command kKill = {"[OPTIONS] CONTAINER [CONTAINER...]", "Kill one or more running containers", kFlags, at_least(1), run};

}  // namespace proa::cli
