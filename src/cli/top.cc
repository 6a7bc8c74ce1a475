#include "base/text.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    std::vector<std::string> options(call.arguments.begin() + 1, call.arguments.end());
    client::Parameters query;
    if (!options.empty()) query.emplace_back("ps_args", join(options, " "));
    json::Value answer = TRY(engine.json({.path = client::container_path(call.arguments[0], "top"), .query = std::move(query)}));
    std::string text;
    auto add = [&](const json::Value& cells) {
        std::vector<std::string> words;
        for (auto& cell : cells.as_array()) words.push_back(cell.as_string());
        text += join(words, "\t") + "\n";
    };
    add(answer["Titles"]);
    for (auto& process : answer["Processes"].as_array()) add(process);
    put(align_columns(text, 20, 1));
    return 0;
}
}  // namespace

const Command kTop = {"CONTAINER [ps OPTIONS]", "Display the running processes of a container", {}, at_least(1), run, false};

}  // namespace proa::cli
