#include "cli/compose/log_streams.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/streams.h"
#include "client/containers.h"

namespace proa::cli {

Result<void> print_log(compose::EnginePool& engines, const std::string& id, const std::string& name, const LogQuery& query, LogPrinter& printer) {
    auto engine = TRY(engines.take());
    json::Value container = TRY(client::inspect_container(*engine, id));
    client::Call request{.path = client::container_path(id, "logs"), .query = {{"stdout", "1"}, {"stderr", "1"}, {"tail", query.tail}}};
    if (auto ended = parse_rfc3339(container["State"]["FinishedAt"].as_string()); query.this_life && ended && !ended->is_zero()) {
        std::string fraction = concat(ended->nanoseconds);
        request.query.emplace_back("since", concat(ended->seconds, '.', std::string(9 - fraction.size(), '0'), fraction));
    } else if (!query.since.empty()) request.query.emplace_back("since", query.since);
    if (!query.until.empty()) request.query.emplace_back("until", query.until);
    if (query.follow) request.query.emplace_back("follow", "1");
    if (query.timestamps) request.query.emplace_back("timestamps", "1");
    auto answer = TRY(engine->stream(request));
    bool tty = container["Config"]["Tty"].as_bool();
    FrameReader frames;
    char buffer[32 << 10];
    while (size_t got = TRY(answer.read(buffer))) {
        std::string_view data(buffer, got);
        if (tty) printer.print(name, 1, data);
        else TRY(frames.feed(data, [&](int stream, std::string_view bytes) { printer.print(name, stream, bytes); }));
    }
    printer.flush(name);
    return {};
}

Result<AttachedOutput> AttachedOutput::open(compose::EnginePool& engines, const std::string& id, const std::string& name) {
    auto engine = TRY(engines.take());
    json::Value container = TRY(client::inspect_container(*engine, id));
    auto raw = TRY(engine->hijack(client::attach_call(id, {.input = false, .output = true, .error_output = true, .detach_keys = {}})));
    return AttachedOutput(std::move(raw), name, container["Config"]["Tty"].as_bool());
}

void AttachedOutput::print(LogPrinter& printer) {
    FrameReader frames;
    auto take = [&](std::string_view data) {
        if (tty_) printer.print(name_, 1, data);
        else (void)frames.feed(data, [&](int stream, std::string_view bytes) { printer.print(name_, stream, bytes); });
    };
    take(raw_.early);
    char buffer[32 << 10];
    for (;;) {
        auto got = os::read_some(raw_.socket.get(), buffer);
        if (!got || *got == 0) break;
        take(std::string_view(buffer, *got));
    }
    printer.flush(name_);
}

}  // namespace proa::cli
