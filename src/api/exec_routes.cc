#include "api/hijack.h"
#include "api/routes.h"
#include "container/monitor.h"
#include "engine/attach_container.h"
#include "engine/exec_container.h"
#include "engine/resize_container.h"
#include "schema/docker/stream.h"

namespace proa::api {

namespace {

using engine::Parts;

Result<void> create(Call& call, Parts& parts) {
    docker::ExecConfig config;
    auto body = TRY(call.read_json(EmptyBody::Refused));
    if (body && body->is_object())
        for (auto& member : body->object())
            if (equals_ignoring_case(member.name, "Cmd") && member.value.is_string()) member.value = json::Array{json::Value(member.value.as_string())};
    if (body)
        if (auto decoded = json::decode(*body, config); !decoded) return fail(ErrorKind::InvalidArgument, "invalid JSON: " + decoded.error().message());
    auto container = TRY(parts.containers.find(call.parameter("name")));
    std::string id = TRY(engine::create_exec(parts, container, std::move(config)));
    json::Object answer;
    answer.set("Id", id);
    return call.respond_json(201, json::print(answer));
}

/// A failure after the hijack goes into the stream, in a stdout frame unless the exec has a terminal.
void write_failure(const os::Fd& stream, bool tty, const std::string& message) {
    std::string text = message + "\r\n";
    std::string frame;
    if (!tty) docker::append_frame(frame, docker::StreamId::Stdout, text);
    (void)os::write_all(stream.get(), tty ? text : frame);  // the client may have gone
    (void)os::shutdown_write(stream.get());
}

Result<void> start(Call& call, Parts& parts) {
    docker::ExecStart options;
    TRY(call.read_json_into(options, EmptyBody::Allowed));
    auto exec = TRY(parts.execs.find(call.parameter("id")));
    auto container = TRY(engine::check_exec_startable(parts, *exec));
    if (options.detach) {
        TRY(engine::start_exec(parts, container, exec, options, os::Fd(), ""));
        return call.respond_empty(200);
    }
    auto hijacked = TRY(call.exchange().hijack(exec_start_head(call, options.tty)));
    os::Fd own = TRY(hijacked.fd.duplicate());
    engine::wait_for_reader(own);
    auto started = engine::start_exec(parts, container, exec, options, std::move(hijacked.fd), std::move(hijacked.early));
    if (!started) write_failure(own, options.tty, started.error().message());
    return {};
}

}  // namespace

void add_exec_routes(Router& router, Parts& parts) {
    router.post("/containers/{name}/exec", [&parts](Call& call) { return create(call, parts); });
    router.post("/exec/{id}/start", [&parts](Call& call) { return start(call, parts); });
    router.post("/exec/{id}/resize", [&parts](Call& call) -> Result<void> {
        auto size = TRY(engine::parse_window_size(call.text("h"), call.text("w")));
        auto exec = TRY(parts.execs.find(call.parameter("id")));
        TRY(engine::resize_exec(parts, exec, size.height, size.width));
        return call.respond_empty(200);
    });
    router.get("/exec/{id}/json", [&parts](Call& call) -> Result<void> {
        auto exec = TRY(parts.execs.find(call.parameter("id")));
        // A client that saw the stream end expects the exit code: what the shim has reported is taken in first.
        if (exec->unfinished()) parts.monitor.flush();
        return call.respond_object(200, exec->inspect());
    });
}

}  // namespace proa::api
