#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"signal", 's', FlagType::String, "Signal to send to the container"},
    {"time", 0, FlagType::Int, "", nullptr, "", kHidden, "timeout", "use --timeout instead"},
    {"timeout", 't', FlagType::Int, "Seconds to wait before killing the container"},
};

template <class Verb>
Result<int> each(Invocation& call, Verb verb) {
    client::Client& engine = *TRY(ready_engine(call));
    std::string seconds = call.flags.changed("timeout") ? call.flags.text("timeout") : "";
    return for_each_argument(call.arguments, [&](const std::string& id) -> Result<std::string> {
        TRY(verb(engine, id, seconds, call.flags.text("signal")));
        return id;
    });
}
Result<int> stop(Invocation& call) { return each(call, client::stop_container); }
Result<int> restart(Invocation& call) { return each(call, client::restart_container); }
}  // namespace

const Command kStop = {"[OPTIONS] CONTAINER [CONTAINER...]", "Stop one or more running containers", kFlags, at_least(1), stop};
const Command kRestart = {"[OPTIONS] CONTAINER [CONTAINER...]", "Restart one or more containers", kFlags, at_least(1), restart};

}  // namespace proa::cli
