#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/container_options.h"
#include "cli/create_container.h"
#include "cli/session_streams.h"
#include "client/containers.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"detach", 'd', FlagType::Bool, "Detached mode: run command in the background"},
    {"detach-keys", 0, FlagType::String, "Override the key sequence for detaching a container"},
    {"env", 'e', FlagType::List, "Set environment variables", nullptr, "", 0, nullptr, nullptr, check_environment},
    {"env-file", 0, FlagType::List, "Read a file of environment variables"},
    {"interactive", 'i', FlagType::Bool, "Keep STDIN open even if not attached"},
    {"privileged", 0, FlagType::Bool, "Give extended privileges to the command"},
    {"tty", 't', FlagType::Bool, "Allocate a pseudo-TTY"},
    {"user", 'u', FlagType::String, "User name or UID (format: \"<name|uid>[:<group|gid>]\")"},
    {"workdir", 'w', FlagType::String, "Working directory inside the container"},
};

Result<docker::ExecConfig> exec_config(Invocation& call, const DetachKeys& keys) {
    auto& flags = call.flags;
    docker::ExecConfig config;
    config.user = flags.text("user");
    config.privileged = flags.is("privileged");
    config.tty = flags.is("tty");
    config.detach = flags.is("detach");
    config.working_dir = flags.text("workdir");
    config.detach_keys = keys.text;
    config.cmd = std::vector<std::string>(call.arguments.begin() + 1, call.arguments.end());
    std::vector<std::string> environment;
    for (auto& path : flags.list("env-file")) {
        auto items = TRY(read_key_value_file(path, true));
        environment.insert(environment.end(), items.begin(), items.end());
    }
    for (auto& item : flags.list("env")) add_environment(item, environment);
    if (!environment.empty()) config.env = environment;
    if (!config.detach) {
        config.attach_stdout = config.attach_stderr = true;
        config.attach_stdin = flags.is("interactive");
    }
    if (auto size = os::window_size(STDOUT_FILENO); config.tty && size)
        config.console_size = std::vector<uint32_t>{size->height, size->width};
    return config;
}

Result<int> run(Invocation& call) {
    auto keys = TRY(detach_keys(call));
    docker::ExecConfig config = TRY(exec_config(call, keys));
    if (config.tty && config.attach_stdin && !::isatty(STDIN_FILENO))
        return fail(ErrorKind::InvalidArgument, "the input device is not a TTY");
    client::Client& engine = *TRY(ready_engine(call));
    json::Value created = TRY(engine.json({.method = "POST", .path = client::container_path(call.arguments[0], "exec"), .json_text = json::encode(config)}));
    std::string path = concat("/exec/", created["Id"].as_string());
    docker::ExecStart start{config.detach, config.tty, config.console_size};
    client::Call request{.method = "POST", .path = path + "/start", .json_text = json::encode(start), .upgrade = !config.detach};
    if (config.detach) {
        TRY(engine.text(request));
        return 0;
    }
    SignalWatch signals(false, true);
    auto raw = TRY(engine.hijack(request));
    ContainerStreams streams{.tty = config.tty, .input = config.attach_stdin, .detach_keys = keys.bytes};
    auto end = TRY(copy_container_streams(engine, path, raw, streams, signals));
    if (end.end == StreamEnd::Detached) return fail(ErrorKind::Cancelled, "read escape sequence");
    if (end.end == StreamEnd::Interrupted) return 128 + end.signal;
    json::Value inspected = TRY(engine.json({.path = path + "/json"}));
    return static_cast<int>(inspected["ExitCode"].as_int());
}
}  // namespace

const Command kExec = {"[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container", kFlags, at_least(2), run, false};

}  // namespace proa::cli
