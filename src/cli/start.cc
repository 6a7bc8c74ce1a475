#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/session_streams.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"attach", 'a', FlagType::Bool, "Attach STDOUT/STDERR and forward signals"},
    {"checkpoint", 0, FlagType::String, "Restore from this checkpoint", nullptr, "", kHidden},
    {"checkpoint-dir", 0, FlagType::String, "Use a custom checkpoint storage directory", nullptr, "", kHidden},
    {"detach-keys", 0, FlagType::String, "Override the key sequence for detaching a container"},
    {"interactive", 'i', FlagType::Bool, "Attach container's STDIN"},
    {"sig-proxy", 0, FlagType::Bool, "", nullptr, "true", kHidden},
};

Result<int> start_attached(Invocation& call, client::Client& engine) {
    if (call.arguments.size() > 1) return fail(ErrorKind::InvalidArgument, "you cannot start and attach multiple containers at once");
    json::Value container = TRY(client::inspect_container(engine, call.arguments[0]));
    const std::string& id = container["Id"].as_string();
    bool tty = container["Config"]["Tty"].as_bool();
    bool input = call.flags.is("interactive") && container["Config"]["OpenStdin"].as_bool();
    auto keys = TRY(detach_keys(call));
    client::Call attach = client::attach_call(id, {input, true, true, keys.text});
    client::Call wait = client::wait_call(engine, id, container["HostConfig"]["AutoRemove"].as_bool() ? "removed" : "next-exit");
    bool proxy = call.flags.is("sig-proxy") && !tty;
    SignalWatch signals(proxy, true);
    auto attach_connection = TRY(engine.begin(attach));
    auto wait_connection = TRY(engine.begin(wait));
    auto raw = TRY(engine.finish_hijack(std::move(attach_connection), attach));
    TRY(engine.finish(wait_connection, wait));
    TRY(client::start_container(engine, id));
    ContainerStreams streams{.tty = tty, .input = input, .proxy_signals = proxy, .detach_keys = keys.bytes};
    auto end = TRY(copy_container_streams(engine, client::container_path(id), raw, streams, signals));
    if (end.end == StreamEnd::Detached) return 0;
    if (end.end == StreamEnd::Interrupted) return 128 + end.signal;
    return client::wait_result(wait_connection);
}

Result<int> run(Invocation& call) {
    if (!call.flags.text("checkpoint").empty() || !call.flags.text("checkpoint-dir").empty())
        return fail(ErrorKind::Unsupported, "--checkpoint is only supported on a Docker daemon with experimental features enabled");
    client::Client& engine = *TRY(ready_engine(call));
    if (call.flags.is("attach") || call.flags.is("interactive")) return start_attached(call, engine);
    std::vector<std::string> failed;
    for (auto& id : call.arguments) {
        if (auto started = client::start_container(engine, id); !started && !started.error().is(ErrorKind::NotModified)) {
            put_error_line(started.error().message());
            failed.push_back(id);
            continue;
        }
        put_line(id);
    }
    if (!failed.empty()) return fail(ErrorKind::Internal, concat("Error: failed to start containers: ", join(failed, ", ")));
    return 0;
}
}  // namespace

const Command kStart = {"[OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers", kFlags, at_least(1), run};

}  // namespace proa::cli
