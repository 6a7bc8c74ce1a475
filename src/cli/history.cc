#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/units.h"
#include "client/images.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"format", 0, FlagType::String, kFormatHelp},
    {"human", 'H', FlagType::Bool, "Print sizes and dates in human readable format", "(default true)", "true"},
    {"no-trunc", 0, FlagType::Bool, "Don't truncate output"},
    {"platform", 0, FlagType::String, "Show history for the given platform (os[/arch[/variant]], e.g. linux/amd64)"},
    {"quiet", 'q', FlagType::Bool, "Only show image IDs"},
};
const Column kColumns[] = {{"ID", "IMAGE"},  {"CreatedSince", "CREATED"}, {"CreatedAt", "CREATED AT"}, {"CreatedBy", "CREATED BY"},
                           {"Size", "SIZE"}, {"Comment", "COMMENT"}};

/// RFC 3339 in local time.
std::string local_rfc3339(int64_t unix_seconds) {
    time_t seconds = unix_seconds;
    tm local{};
    ::localtime_r(&seconds, &local);
    char date[40], zone[16];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
    strftime(zone, sizeof zone, "%z", &local);
    std::string offset = zone;
    return date + (offset == "+0000" ? "Z" : offset.substr(0, 3) + ":" + offset.substr(3));
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    bool quiet = flags.is("quiet"), human = flags.is("human"), truncate = !flags.is("no-trunc");
    std::string table = concat("{{.ID}}\t", human ? "{{.CreatedSince}}" : "{{.CreatedAt}}", "\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}");
    auto format = TRY(Format::make(flags.text("format"), {table, "{{.ID}}", ""}, quiet));
    client::Client& engine = *TRY(ready_engine(call));
    client::Parameters query;
    if (auto platform = flags.text("platform"); !platform.empty()) query.emplace_back("platform", TRY(client::platform_parameter(platform)));
    json::Value layers = TRY(engine.json({.path = concat("/images/", call.arguments[0], "/history"), .query = query}));
    std::vector<Row> rows;
    for (auto& layer : layers.as_array()) {
        const std::string& id = layer["Id"].as_string();
        std::string by = replace_all(layer["CreatedBy"].as_string(), "\t", " ");
        int64_t created = layer["Created"].as_int();
        Row row;
        row.fields = {{"Comment", layer["Comment"].as_string()},
                      {"CreatedAt", created <= 0 ? "N/A" : local_rfc3339(created)},
                      {"CreatedBy", truncate ? ellipsis(by, 45) : by},
                      {"CreatedSince", created <= 0 ? "N/A" : human ? since_text(created) + " ago" : local_rfc3339(created)},
                      {"ID", truncate ? truncated_id(id) : id},
                      {"Size", human ? human_size(layer["Size"].as_double(), 3) : concat(layer["Size"].as_int())}};
        rows.push_back(std::move(row));
    }
    put(TRY(format.print({"historyContext", kColumns}, rows)));
    return 0;
}
}  // namespace

const Command kHistory = {"[OPTIONS] IMAGE", "Show the history of an image", kFlags, exactly(1), run};

}  // namespace proa::cli
