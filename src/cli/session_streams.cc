#include "cli/session_streams.h"

#include <unistd.h>

#include <csignal>
#include <optional>

#include "client/containers.h"
#include "os/pty.h"

namespace proa::cli {

Result<StreamResult> copy_container_streams(client::Client& engine, const std::string& api_path, client::RawStream& raw,
                                            const ContainerStreams& streams, SignalWatch& signals) {
    StreamOptions options;
    options.tty = streams.tty;
    options.multiplexed = !streams.tty;
    options.input = streams.input;
    options.output = streams.output;
    options.error_output = streams.error_output;
    options.detach_keys = streams.detach_keys;
    std::optional<RawTerminal> terminal;
    if (streams.tty && streams.input) terminal.emplace(STDIN_FILENO);
    os::WindowSize sent{};
    if (streams.tty && ::isatty(STDOUT_FILENO)) {
        options.resize = [&, api_path] {
            auto size = os::window_size(STDOUT_FILENO);
            if (!size || (size->height == sent.height && size->width == sent.width)) return;
            if (size->height == 0 && size->width == 0) return;
            if (client::resize_terminal(engine, api_path, size->height, size->width)) sent = *size;
        };
        options.resize();
    }
    if (streams.proxy_signals)
        options.signal = [&, id = api_path.substr(api_path.rfind('/') + 1)](int number) {
            (void)client::kill_container(engine, id, signal_name(number));
        };
    return copy_streams(raw, options, signals);
}

}  // namespace proa::cli
