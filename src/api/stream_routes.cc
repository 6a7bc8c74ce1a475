#include "api/hijack.h"
#include "api/routes.h"
#include "api/websocket.h"
#include "engine/attach_container.h"
#include "engine/container_stats.h"
#include "engine/log_drivers.h"
#include "engine/read_logs.h"
#include "engine/watch_events.h"
#include "schema/docker/stream.h"

namespace proa::api {

namespace {

using engine::Parts;

constexpr size_t kAttachBodyBytesMax = 1 << 20;

std::string_view stream_type(const Call& call, bool tty) {
    return !tty && call.version() >= ApiVersion(1, 42) ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
}

Result<void> attach(Call& call, Parts& parts) {
    auto checked = [&]() -> Result<std::pair<container::ContainerPointer, engine::AttachOptions>> {
        auto container = TRY(parts.containers.find(call.parameter("name")));
        engine::AttachOptions options;
        options.logs = call.flag("logs");
        options.stream = call.flag("stream");
        options.use_stdin = call.flag("stdin");
        options.use_stdout = call.flag("stdout");
        options.use_stderr = call.flag("stderr");
        options.detach_keys = TRY(engine::parse_detach_keys(call.text("detachKeys")));
        TRY(engine::check_attachable(*container));
        return std::pair{container, options};
    }();
    if (!checked) return respond_attach_error(call, checked.error());
    auto& [container, options] = *checked;
    bool tty = container->read([](const container::Record& record) { return record.config.tty; });
    // dockerode sends its options once more as a body: that is no input of the container's.
    if (call.request().content_length) TRY(call.exchange().read_whole_body(kAttachBodyBytesMax));
    auto open = [&]() -> Result<engine::ClientStream> {
        auto hijacked = TRY(call.exchange().hijack(attach_head(call, tty)));
        return engine::ClientStream{std::move(hijacked.fd), std::move(hijacked.early)};
    };
    return engine::attach_container(parts, container, options, open);
}

/// The same over WebSocket: never framed. The daemon carries these streams itself.
Result<void> attach_websocket(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    engine::AttachOptions options;
    bool chooses = call.version() >= ApiVersion(1, 42);  // before, all three were meant
    options.raw = options.stream = true;
    options.logs = call.flag("logs");
    options.use_stdin = !chooses || call.flag("stdin");
    options.use_stdout = !chooses || call.flag("stdout");
    options.use_stderr = !chooses || call.flag("stderr");
    options.detach_keys = TRY(engine::parse_detach_keys(call.text("detachKeys")));
    TRY(engine::check_attachable(*container));
    auto head = websocket_head(call.request());
    if (!head) return call.respond_text(400, "not websocket protocol");
    http::Hijacked client;
    os::SocketPair pair = TRY(os::make_socket_pair(os::SocketType::Stream));
    auto open = [&]() -> Result<engine::ClientStream> {
        client = TRY(call.exchange().hijack(*head));
        return engine::ClientStream{std::move(pair.second), ""};
    };
    TRY(engine::attach_container(parts, container, options, open));
    return relay_websocket(client.fd, std::move(client.early), pair.first);
}

Result<container::WaitCondition> wait_condition(const Call& call) {
    std::string text = call.version() < ApiVersion(1, 30) ? "" : call.text("condition");
    if (text.empty() || text == "not-running") return container::WaitCondition::NotRunning;
    if (text == "next-exit") return container::WaitCondition::NextExit;
    if (text == "removed") return container::WaitCondition::Removed;
    return fail(ErrorKind::InvalidArgument, concat("invalid condition: ", quote(text)));
}

Result<void> wait(Call& call, Parts& parts) {
    auto condition = TRY(wait_condition(call));
    auto container = TRY(parts.containers.find(call.parameter("name")));
    auto waiter = TRY(container->wait_for(condition));
    // The head goes out before the wait: `docker run` takes it as the sign that it may start the container.
    if (call.version() >= ApiVersion(1, 30)) TRY(call.begin_stream("application/json"));
    while (!waiter->result()) TRY(call.exchange().wait_event(waiter->ready_fd(), -1));
    auto result = *waiter->result();
    json::Object answer;
    answer.set("StatusCode", result.exit_code);
    if (!result.error.empty()) answer.set("Error", json::Object{{"Message", json::Value(result.error)}});
    if (!call.exchange().response_started()) return call.respond_json(200, json::print(answer));
    TRY(call.exchange().write_chunk(json::print(answer) + "\n"));
    return call.exchange().end_stream();
}

Result<std::optional<int64_t>> unix_time(const Call& call, std::string_view name) {
    std::string text = call.text(name);
    if (text.empty() || text == "0") return std::optional<int64_t>();
    auto time = parse_unix_timestamp(text);
    if (!time) return fail(ErrorKind::Internal, concat("strconv.ParseInt: parsing ", quote(text), ": invalid syntax"));
    return std::optional(time->unix_nano());
}

/// Collects frames and sends them in few chunks.
class LogWriter {
public:
    LogWriter(Call& call, bool tty, bool timestamps, bool details) : call_(call), tty_(tty), timestamps_(timestamps), details_(details) {}

    Result<void> add(const container::LogMessage& message) {
        std::string prefix;
        if (timestamps_) prefix += rfc3339_nano_fixed(message.time) + " ";
        if (details_) prefix += message.attributes + " ";
        if (!tty_) docker::append_frame_header(pending_, message.from_stderr ? docker::StreamId::Stderr : docker::StreamId::Stdout, prefix.size() + message.text.size());
        pending_ += prefix;
        pending_ += message.text;
        if (pending_.size() >= kFlushBytes) return flush();
        return {};
    }
    Result<void> flush() {
        if (pending_.empty()) return {};
        auto sent = call_.exchange().write_chunk(pending_);
        pending_.clear();
        return sent;
    }

private:
    static constexpr size_t kFlushBytes = 64 * 1024;
    Call& call_;
    bool tty_, timestamps_, details_;
    std::string pending_;
};

Result<void> logs(Call& call, Parts& parts) {
    engine::LogsRequest request;
    request.options.with_stdout = call.flag("stdout");
    request.options.with_stderr = call.flag("stderr");
    if (!request.options.with_stdout && !request.options.with_stderr)
        return fail(ErrorKind::InvalidArgument, "Bad parameters: you must choose at least one stream");
    auto container = TRY(parts.containers.find(call.parameter("name")));
    request.follow = call.flag("follow");
    request.options.since_unix_nano = TRY(unix_time(call, "since"));
    request.options.until_unix_nano = TRY(unix_time(call, "until"));
    request.options.details = call.flag("details");
    request.options.tail = parse_uint(call.text("tail"));
    auto [tty, readable] =
        container->read([](const container::Record& record) { return std::pair{record.config.tty, engine::is_log_readable(record.host_config.log_config)}; });
    if (!readable) return fail(ErrorKind::Unsupported, "configured logging driver does not support reading");
    TRY(call.begin_stream(stream_type(call, tty)));
    LogWriter writer(call, tty, call.flag("timestamps"), request.options.details);
    engine::LogSink sink;
    sink.message = [&](const container::LogMessage& message) { return writer.add(message); };
    sink.flush = [&] { return writer.flush(); };
    sink.wait = [&](int fd, int timeout_ms) { return call.exchange().wait_event(fd, timeout_ms); };
    TRY(engine::read_logs(parts, container, request, sink));
    return call.exchange().end_stream();
}

/// Waits a second, or until the container is gone (then false).
Result<bool> wait_a_second(Call& call, const container::Waiter& removed) {
    TRY(call.exchange().wait_event(removed.ready_fd(), 1000));
    return !removed.result();
}

Result<void> stats(Call& call, Parts& parts) {
    bool stream = call.flag_or("stream", true), one_shot = call.flag("one-shot") && call.version() >= ApiVersion(1, 41);
    if (stream && one_shot) return fail(ErrorKind::InvalidArgument, "cannot have stream=true and one-shot=true");
    auto container = TRY(parts.containers.find(call.parameter("name")));
    bool os_type = call.version() >= ApiVersion(1, 52);
    engine::StatsSample before;
    auto sample = TRY(engine::read_stats(parts, *container));
    auto removed = TRY(container->wait_for(container::WaitCondition::Removed));
    if (!stream) {
        if (!one_shot && !sample.read.is_zero()) {  // two readings, so that clients can tell the load
            before = std::move(sample);
            TRY(wait_a_second(call, *removed));
            sample = TRY(engine::read_stats(parts, *container));
        }
        return call.respond_json(200, json::print(engine::stats_object(*container, sample, before, os_type)));
    }
    TRY(call.begin_stream(""));
    while (TRY(wait_a_second(call, *removed))) {
        sample = TRY(engine::read_stats(parts, *container));
        TRY(call.exchange().write_chunk(json::print(engine::stats_object(*container, sample, before, os_type)) + "\n"));
        before = std::move(sample);
    }
    return call.exchange().end_stream();
}

Result<void> events(Call& call, Parts& parts) {
    engine::EventsRequest request;
    request.filters = TRY(docker::Filters::parse(call.text("filters")));
    request.since_unix_nano = TRY(unix_time(call, "since"));
    request.until_unix_nano = TRY(unix_time(call, "until"));
    if (request.since_unix_nano && request.until_unix_nano && *request.since_unix_nano > *request.until_unix_nano)
        return fail(ErrorKind::InvalidArgument, "`since` time cannot be after `until` time");
    std::string accept(call.request().headers.get("Accept"));
    bool sequence = accept.find("application/json-seq") != std::string::npos;
    std::string type = call.version() < ApiVersion(1, 52) ? "application/json" : "application/jsonl";
    if (sequence) type = "application/json-seq";
    else if (accept.find("application/x-ndjson") != std::string::npos) type = "application/x-ndjson";
    engine::EventSink sink;
    sink.begin = [&] { return call.begin_stream(type); };
    sink.event = [&](docker::Event event) -> Result<void> {
        if (event.type == "container" || event.type == "image") {  // in every version: docker-compose 1.29 reads them in the newest
            event.status = event.action;
            event.id = event.actor.id;
            if (event.type == "container") event.from = event.actor.attributes["image"];
        }
        if (event.type == "image" && event.action == "create" && call.version() < ApiVersion(1, 46)) return {};
        return call.exchange().write_chunk(concat(sequence ? "\x1e" : "", json::encode(event), "\n"));
    };
    sink.wait = [&](int fd, int timeout_ms) { return call.exchange().wait_event(fd, timeout_ms); };
    TRY(engine::watch_events(parts.events, request, sink));
    return call.exchange().end_stream();
}

}  // namespace

void add_stream_routes(Router& router, Parts& parts) {
    router.get("/containers/{name}/attach/ws", [&parts](Call& call) { return attach_websocket(call, parts); });
    router.post("/containers/{name}/attach", [&parts](Call& call) { return attach(call, parts); });
    router.post("/containers/{name}/wait", [&parts](Call& call) { return wait(call, parts); });
    router.get("/containers/{name}/logs", [&parts](Call& call) { return logs(call, parts); });
    router.get("/containers/{name}/stats", [&parts](Call& call) { return stats(call, parts); });
    router.get("/events", [&parts](Call& call) { return events(call, parts); });
}

}  // namespace proa::api
