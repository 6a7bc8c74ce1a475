#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/session_streams.h"
#include "client/containers.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
/// An attached run: streams and waiter are registered before the start, so nothing of the container's life is missed.
class AttachedRun {
public:
    AttachedRun(Invocation& call, client::Client& engine, ContainerOptions& options, std::string id)
        : call_(call), engine_(engine), options_(options), id_(std::move(id)) {}

    Result<int> run() {
        auto& config = options_.request.config;
        auto keys = TRY(detach_keys(call_));
        // Both requests are on their way before either answer is read.
        client::Call attach = client::attach_call(id_, {config.attach_stdin, config.attach_stdout, config.attach_stderr, keys.text});
        client::Call wait = client::wait_call(engine_, id_, options_.request.host_config.auto_remove ? "removed" : "next-exit");
        SignalWatch signals(call_.flags.is("sig-proxy") && !config.tty, true);
        auto attach_connection = TRY(engine_.begin(attach));
        auto wait_connection = TRY(engine_.begin(wait));
        auto raw = engine_.finish_hijack(std::move(attach_connection), attach);
        if (!raw) return fail_before_start(raw.error());
        if (auto head = engine_.finish(wait_connection, wait); !head) return fail_before_start(head.error());
        if (auto started = client::start_container(engine_, id_); !started) {
            raw->socket.reset();
            container_error(call_, started.error().message());
            if (options_.request.host_config.auto_remove) (void)client::wait_result(wait_connection);
            return exit_code_of_error(started.error().message());
        }
        ContainerStreams streams{.tty = config.tty, .input = config.attach_stdin && config.open_stdin, .output = config.attach_stdout,
                                 .error_output = config.attach_stderr, .proxy_signals = call_.flags.is("sig-proxy") && !config.tty,
                                 .detach_keys = keys.bytes};
        auto end = TRY(copy_container_streams(engine_, client::container_path(id_), *raw, streams, signals));
        if (end.end == StreamEnd::Detached) return 0;
        if (end.end == StreamEnd::Interrupted) return 128 + end.signal;
        return client::wait_result(wait_connection);
    }

private:
    Result<int> fail_before_start(const Error& error) {
        container_error(call_, error.message());
        return 125;
    }

    Invocation& call_;
    client::Client& engine_;
    ContainerOptions& options_;
    std::string id_;
};

Result<void> check_terminal(const docker::ContainerConfig& config) {
    if (config.tty && config.attach_stdin && config.open_stdin && !::isatty(STDIN_FILENO))
        return fail(ErrorKind::InvalidArgument, "the input device is not a TTY");
    return {};
}

Result<ContainerOptions> run_options(Invocation& call) {
    TRY(check_pull_policy(call.flags));
    auto options = TRY(parse_container_options(call.flags, call.arguments));
    auto& config = options.request.config;
    if (call.flags.is("detach")) {
        if (!call.flags.list("attach").empty())
            return fail(ErrorKind::Conflict, "conflicting options: cannot specify both --attach and --detach");
        config.attach_stdin = config.attach_stdout = config.attach_stderr = config.stdin_once = false;
    }
    auto size = os::window_size(STDOUT_FILENO);
    if (config.tty && size) options.request.host_config.console_size = std::vector<uint32_t>{size->height, size->width};
    return options;
}

Result<int> run(Invocation& call) {
    auto options = run_options(call);
    if (!options && options.error().is(ErrorKind::Conflict)) return fail(options.error());
    if (!options) return container_error(call, options.error().message());
    auto& config = options->request.config;
    if (!call.flags.is("detach"))
        if (auto checked = check_terminal(config); !checked) {
            put_error_line(checked.error().message());
            return 1;
        }
    auto engine = call.session.engine();
    if (!engine) return container_error(call, engine.error().message());
    auto id = create_container(call, *options);
    if (!id) {
        container_error(call, id.error().message());
        return exit_code_of_error(id.error().message());
    }
    if (config.attach_stdin || config.attach_stdout || config.attach_stderr) {
        auto code = AttachedRun(call, **engine, *options, *id).run();
        if (!code) return container_error(call, code.error().message());
        return *code;
    }
    if (auto started = client::start_container(**engine, *id); !started) {
        if (call.flags.is("detach")) put_line(*id);
        container_error(call, started.error().message());
        return exit_code_of_error(started.error().message());
    }
    put_line(*id);
    return 0;
}

Result<int> create(Invocation& call) {
    if (auto checked = check_pull_policy(call.flags); !checked) return container_error(call, checked.error().message());
    auto options = parse_container_options(call.flags, call.arguments);
    if (!options) return container_error(call, options.error().message());
    put_line(TRY(create_container(call, *options)));
    return 0;
}
}  // namespace

const Command kRun = {"[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", run_flags(), at_least(1), run, false};
const Command kCreate = {"[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", create_flags(), at_least(1), create, false};

}  // namespace proa::cli
