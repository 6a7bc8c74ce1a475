#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {{"format", 'f', FlagType::String, "Format the output: 'text' or 'json'", "(default \"text\")", "text"}};

std::string indented(std::string_view title, const std::vector<std::string>& lines) {
    if (lines.empty()) return "";
    std::string text = concat(title, ":\n");
    for (auto& line : lines) text += concat("  ", line, "\n");
    return text;
}

std::string explanation_text(const json::Value& answer) {
    std::string name(trim_prefix(answer["Name"].as_string(), "/"));
    std::string text = concat(name, " (", answer["Status"].as_string(), "): ", answer["Text"].as_string(), "\n");
    std::vector<std::string> evidence, probes, lines;
    for (auto& one : answer["Evidence"].as_array()) evidence.push_back(one.as_string());
    for (auto& probe : answer["Probes"].as_array())
        probes.push_back(concat(probe["End"].as_string(), " exit ", probe["ExitCode"].as_int(), ": ", trim(probe["Output"].as_string())));
    for (auto& line : answer["Lines"].as_array()) lines.push_back(line.as_string());
    text += indented("Evidence", evidence);
    if (auto& fix = answer["Fix"].as_string(); !fix.empty()) text += concat("What helps: ", fix, "\n");
    if (int64_t restarts = answer["RestartCount"].as_int(); restarts > 0) text += concat("Restarts: ", restarts, "\n");
    if (int64_t peak = answer["MemoryPeak"].as_int(); peak > 0) text += concat("Memory peak: ", peak >> 20, " MiB\n");
    return text + indented("Last probes", probes) + indented("Last lines", lines);
}

Result<int> run(Invocation& call) {
    std::string format = call.flags.text("format");
    if (format != "text" && format != "json") return fail(ErrorKind::InvalidArgument, concat("unknown format ", quote(format), ": text and json are there"));
    client::Client& engine = *TRY(ready_engine(call));
    return for_each_argument(call.arguments, [&](const std::string& name) -> Result<std::string> {
        auto answer = TRY(engine.json({.path = client::container_path(name, "why")}));
        if (format == "json") return json::print(answer);
        return std::string(trim_suffix(explanation_text(answer), "\n"));
    });
}
}  // namespace

const Command kWhy = {"[OPTIONS] CONTAINER [CONTAINER...]", "Say why a container is in its state, and what would help", kFlags, at_least(1), run};

}  // namespace proa::cli
