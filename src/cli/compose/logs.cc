#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/compose/log_streams.h"
#include "cli/time_flags.h"
#include "compose/labels.h"
#include "compose/parallel.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"follow", 'f', FlagType::Bool, "Follow log output"},
    {"index", 0, FlagType::Int, "index of the container if service has multiple replicas"},
    {"no-color", 0, FlagType::Bool, "Produce monochrome output"},
    {"no-log-prefix", 0, FlagType::Bool, "Don't print prefix in logs"},
    {"since", 0, FlagType::String, "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"},
    {"tail", 'n', FlagType::String, "Number of lines to show from the end of the logs for each container", "(default \"all\")", "all"},
    {"timestamps", 't', FlagType::Bool, "Show timestamps"},
    {"until", 0, FlagType::String, "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"},
};

std::string shown_name(const std::string& project, const std::string& name) {
    return std::string(trim_prefix(trim_prefix(name, project + "-"), project + "_"));
}

/// Logs of containers that start while others are followed: new ones, and those that start again. Returns at the stream's end.
Result<void> follow_new_ones(ProjectSession& session, const ProjectSession::Target& target, const std::vector<std::string>& services, const LogQuery& query, LogPrinter& printer,
                             client::Connection& events) {
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(events.read(buffer)))
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value event = TRY(json::parse(text));
            auto& attributes = event["Actor"]["Attributes"].as_object();
            auto* service = attributes.find(compose::kServiceLabel);
            auto* name = attributes.find("name");
            if (!service || !name || (!services.empty() && std::find(services.begin(), services.end(), service->as_string()) == services.end())) continue;
            LogQuery since = query;
            since.this_life = true;
            since.tail = "all";
            std::thread([&session, &printer, since, id = event["Actor"]["ID"].as_string(), shown = shown_name(target.name, name->as_string())] {
                (void)print_log(session.engines(), id, shown, since, printer);
            }).detach();
        }
    return {};
}

Result<int> logs(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    if (int64_t index = flags.integer("index"); index > 0) {
        if (call.arguments.size() != 1) return fail(ErrorKind::InvalidArgument, "--index requires one service to be selected");
        std::erase_if(containers, [&](auto& each) { return each.number != index; });
    }
    LogQuery query{.since = TRY(api_time(flags.text("since"))), .until = TRY(api_time(flags.text("until"))), .tail = flags.text("tail"), .follow = flags.is("follow"), .timestamps = flags.is("timestamps")};
    LogPrinter printer({.prefix = !flags.is("no-log-prefix"), .colours = !flags.is("no-color") && session.colours(1)});
    for (auto& each : containers) printer.add(shown_name(target.name, each.name));
    std::optional<client::Connection> events;
    if (query.follow) {
        auto engine = TRY(session.engines().take());
        client::Filters filters{{"type", {"container"}}, {"event", {"start"}}, {"label", {concat(compose::kProjectLabel, '=', target.name)}}};
        events.emplace(TRY(engine->stream({.path = "/events", .query = {{"filters", client::filters_text(filters)}}})));
    }
    if (events) {
        std::thread([&] { (void)follow_new_ones(session, target, call.arguments, query, printer, *events); }).detach();
    }
    TRY(compose::run_parallel(containers.size(), 0, [&](size_t index) { return print_log(session.engines(), containers[index].id, shown_name(target.name, containers[index].name), query, printer); }));
    if (!query.follow) return 0;
    // docker compose goes on while something of the project runs.
    for (int idle = 0; idle < 4;) {  // a restart is no end
        auto now = TRY(choose_containers(session, target, call.arguments, {.all = false}));
        idle = now.empty() ? idle + 1 : 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    std::_Exit(0);  // the threads that wait for more end with the process
}
}  // namespace

const Command kComposeLogs = {"[OPTIONS] [SERVICE...]", "View output from containers", kFlags, {}, logs};

}  // namespace proa::cli
