#include "base/text.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    json::Value changes = TRY(engine.json({.path = client::container_path(call.arguments[0], "changes")}));
    std::string text;
    for (auto& change : changes.as_array()) {
        int64_t kind = change["Kind"].as_int();
        text += concat(kind == 0 ? 'C' : kind == 1 ? 'A' : 'D', ' ', change["Path"].as_string(), '\n');
    }
    put(text);
    return 0;
}
}  // namespace

const Command kDiff = {"CONTAINER", "Inspect changes to files or directories on a container's filesystem", {}, exactly(1), run};

}  // namespace proa::cli
