#include <ctime>

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/time_flags.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"filter", 'f', FlagType::Filter, "Filter output based on conditions provided"},
    {"format", 0, FlagType::String, kInspectFormatHelp},
    {"since", 0, FlagType::String, "Show all events created since timestamp"},
    {"until", 0, FlagType::String, "Stream events until this timestamp"},
};

/// "2006-01-02T15:04:05.000000000Z07:00" in local time.
std::string local_nano_text(int64_t nanoseconds) {
    time_t seconds = nanoseconds / 1000000000;
    tm local{};
    ::localtime_r(&seconds, &local);
    char date[40], zone[16];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
    strftime(zone, sizeof zone, "%z", &local);
    std::string fraction = concat(nanoseconds % 1000000000), offset = zone;
    fraction.insert(0, 9 - fraction.size(), '0');
    offset = offset == "+0000" ? "Z" : offset.substr(0, 3) + ":" + offset.substr(3);
    return concat(date, '.', fraction, offset);
}

std::string event_line(const json::Value& event) {
    int64_t nano = event["timeNano"].as_int();
    std::string line = nano != 0 ? local_nano_text(nano) : local_nano_text(event["time"].as_int() * 1000000000);
    auto& actor = event["Actor"];
    line += concat(' ', event["Type"].as_string(), ' ', event["Action"].as_string(), ' ', actor["ID"].as_string());
    std::vector<std::string> pairs;
    for (auto& member : actor["Attributes"].as_object()) pairs.push_back(concat(member.name, '=', member.value.as_string()));
    std::sort(pairs.begin(), pairs.end());
    if (!pairs.empty()) line += concat(" (", join(pairs, ", "), ")");
    return line + "\n";
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    std::string format = flags.text("format");
    Template parsed;
    if (!format.empty()) {
        if (format.starts_with("table")) return fail(ErrorKind::InvalidArgument, "Error parsing format: invalid table format");
        auto made = Template::parse(format == "json" ? "{{json .}}" : replace_all(replace_all(format, "\\t", "\t"), "\\n", "\n"));
        if (!made) {
            put_error_line("Error parsing format: " + made.error().message());
            return 64;
        }
        parsed = std::move(*made);
    }
    client::Call request{.path = "/events"};
    for (auto name : {"since", "until"})
        if (std::string time = TRY(api_time(flags.text(name))); !time.empty()) request.query.emplace_back(name, time);
    if (auto filters = client::filters_text(collect_filters(flags.list("filter"))); !filters.empty()) request.query.emplace_back("filters", filters);
    client::Client& engine = *TRY(ready_engine(call));
    auto answer = TRY(engine.stream(request));
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer))) {
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value event = TRY(json::parse(text));
            if (format.empty()) {
                put(event_line(event));
                continue;
            }
            if (auto& id = event["Actor"]["ID"]; !event["id"].is_string()) event.object().set("ID", id);
            put(TRY(print_row(parsed, {"eventContext", {}}, {event.as_object(), {}})) + "\n");
        }
    }
    return 0;
}
}  // namespace

const Command kEvents = {"[OPTIONS]", "Get real time events from the server", kFlags, kNoArguments, run};

}  // namespace proa::cli
