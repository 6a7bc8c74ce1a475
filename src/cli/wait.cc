#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return for_each_argument(call.arguments, [&](const std::string& id) -> Result<std::string> {
        TRY(engine.negotiate());
        auto request = client::wait_call(engine, id, "");
        auto connection = TRY(engine.begin(request));
        TRY(engine.finish(connection, request));
        return concat(TRY(client::wait_result(connection)));
    });
}
}  // namespace

const Command kWait = {"CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes", {}, at_least(1), run};

}  // namespace proa::cli
