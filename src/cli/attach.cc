#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/session_streams.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"detach-keys", 0, FlagType::String, "Override the key sequence for detaching a container"},
    {"no-stdin", 0, FlagType::Bool, "Do not attach STDIN"},
    {"sig-proxy", 0, FlagType::Bool, "Proxy all received signals to the process", "(default true)", "true"},
};

Result<void> check_state(const json::Value& container) {
    auto& state = container["State"];
    auto refuse = [](const char* text) { return fail(ErrorKind::Conflict, text); };
    if (!state["Running"].as_bool()) return refuse("You cannot attach to a stopped container, start it first");
    if (state["Paused"].as_bool()) return refuse("You cannot attach to a paused container, unpause it first");
    if (state["Restarting"].as_bool()) return refuse("You cannot attach to a restarting container, wait until it is running");
    return {};
}

Result<int> run(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    json::Value container = TRY(client::inspect_container(engine, call.arguments[0]));
    TRY(check_state(container));
    const std::string& id = container["Id"].as_string();
    bool tty = container["Config"]["Tty"].as_bool();
    bool input = !call.flags.is("no-stdin") && container["Config"]["OpenStdin"].as_bool();
    if (tty && input && !::isatty(STDIN_FILENO)) return fail(ErrorKind::InvalidArgument, "the input device is not a TTY");
    auto keys = TRY(detach_keys(call));
    client::Call attach = client::attach_call(id, {input, true, true, keys.text});
    client::Call wait = client::wait_call(engine, id, "");
    bool proxy = call.flags.is("sig-proxy") && !tty;
    SignalWatch signals(proxy, true);
    auto attach_connection = TRY(engine.begin(attach));
    auto wait_connection = TRY(engine.begin(wait));
    auto raw = TRY(engine.finish_hijack(std::move(attach_connection), attach));
    TRY(engine.finish(wait_connection, wait));
    ContainerStreams streams{.tty = tty, .input = input, .proxy_signals = proxy, .detach_keys = keys.bytes};
    auto end = TRY(copy_container_streams(engine, client::container_path(id), raw, streams, signals));
    if (end.end == StreamEnd::Detached) return fail(ErrorKind::Cancelled, "read escape sequence");
    if (end.end == StreamEnd::Interrupted) return 128 + end.signal;
    return client::wait_result(wait_connection);
}
}  // namespace

const Command kAttach = {"[OPTIONS] CONTAINER", "Attach local standard input, output, and error streams to a running container", kFlags, exactly(1), run};

}  // namespace proa::cli
