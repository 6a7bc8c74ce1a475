#include "base/text.h"
#include "base/time.h"
#include "cli/compose/commands.h"
#include "cli/time_flags.h"
#include "client/containers.h"
#include "compose/down.h"
#include "compose/labels.h"

#include <algorithm>
#include <mutex>
#include <thread>

// events and wait: commands that look on.
namespace proa::cli {

namespace {
const Flag kEventsFlags[] = {
    {"json", 0, FlagType::Bool, "Output events as a stream of json objects"},
    {"since", 0, FlagType::String, "Show all events created since timestamp"},
    {"until", 0, FlagType::String, "Stream events until this timestamp"},
};
const Flag kWaitFlags[] = {{"down-project", 0, FlagType::Bool, "Drops project when the first container stops"}};

/// "2006-01-02 15:04:05.000000" in local time.
std::string local_micro_text(int64_t nanoseconds) {
    time_t seconds = nanoseconds / 1'000'000'000;
    tm local{};
    ::localtime_r(&seconds, &local);
    char date[40];
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &local);
    std::string fraction = concat(nanoseconds % 1'000'000'000 / 1000);
    return concat(date, '.', std::string(6 - fraction.size(), '0'), fraction);
}

std::string event_text(const json::Value& event, const std::string& service, bool as_json) {
    auto& actor = event["Actor"];
    json::Object attributes;
    std::vector<std::string> pairs;
    for (auto& member : actor["Attributes"].as_object()) {
        if (member.name.starts_with("com.docker.compose.")) continue;
        attributes.set(member.name, member.value);
        pairs.push_back(concat(member.name, '=', member.value.as_string()));
    }
    attributes.sort();
    std::sort(pairs.begin(), pairs.end());
    int64_t nano = event["timeNano"].as_int();
    if (as_json)
        return json::print(json::Value(json::Object{{"action", event["Action"].as_string()}, {"attributes", std::move(attributes)}, {"id", actor["ID"].as_string()}, {"service", service},
                                                    {"time", rfc3339_nano(Time::from_unix_nano(nano))}, {"type", "container"}}));
    return concat(local_micro_text(nano), " container ", event["Action"].as_string(), ' ', actor["ID"].as_string(), " (", join(pairs, ", "), ")");
}

Result<int> events(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    client::Filters filters{{"type", {"container"}}, {"label", {concat(compose::kProjectLabel, '=', target.name)}}};
    client::Call request{.path = "/events", .query = {{"filters", client::filters_text(filters)}}};
    for (auto name : {"since", "until"})
        if (std::string time = TRY(api_time(flags.text(name))); !time.empty()) request.query.emplace_back(name, time);
    auto engine = TRY(session.engines().take());
    auto answer = TRY(engine->stream(request));
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer)))
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value event = TRY(json::parse(text));
            auto* service = event["Actor"]["Attributes"].as_object().find(compose::kServiceLabel);
            std::string name = service ? service->as_string() : "";
            if (!call.arguments.empty() && std::find(call.arguments.begin(), call.arguments.end(), name) == call.arguments.end()) continue;
            put_line(event_text(event, name, flags.is("json")));
        }
    return 0;
}

Result<int> wait(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    if (containers.empty()) return fail(ErrorKind::NotFound, concat("no containers for project ", quote(target.name)));
    std::mutex mutex;
    auto wait_for = [&](const compose::ProjectContainer& container) -> Result<int> {
        auto engine = TRY(session.engines().take());
        client::Call request = client::wait_call(*engine, container.id, "not-running");
        auto connection = TRY(engine->begin(request));
        TRY(engine->finish(connection, request));
        return client::wait_result(connection);
    };
    auto finished = [&](const compose::ProjectContainer& container, int code) -> Result<int> {
        put_error_line(concat("container ", quote(container.id), " exited with status code ", code));
        if (!call.flags.is("down-project")) return code;
        compose::Work work = TRY(session.work());
        TRY(compose::take_down(work, target.name, target.pointer(), {}));
        return code;
    };
    if (containers.size() == 1) return finished(containers[0], TRY(wait_for(containers[0])));
    // The first one ends the command; the others' waiters end with the process.
    for (size_t i = 1; i < containers.size(); i++)
        std::thread([&, i] {
            auto code = wait_for(containers[i]);
            std::lock_guard lock(mutex);
            std::_Exit(code ? finished(containers[i], *code).value_or(1) : 1);
        }).detach();
    auto code = wait_for(containers[0]);
    std::lock_guard lock(mutex);
    std::_Exit(code ? finished(containers[0], *code).value_or(1) : 1);
}
}  // namespace

const Command kComposeEvents = {"[OPTIONS] [SERVICE...]", "Receive real time events from containers", kEventsFlags, {}, events};
const Command kComposeWait = {"SERVICE [SERVICE...] [OPTIONS]", "Block until containers of all (or specified) services stop.", kWaitFlags, at_least(1), wait};

}  // namespace proa::cli
