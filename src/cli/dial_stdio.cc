#include <poll.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "client/transport.h"
#include "os/socket.h"

namespace proa::cli {

namespace {
/// One direction's next piece; false at its end.
Result<bool> copy_piece(int from, int to) {
    char buffer[32 << 10];
    size_t got = TRY(os::read_some(from, buffer));
    if (got == 0) return false;
    TRY(os::write_all(to, std::string_view(buffer, got)));
    return true;
}

/// The end of our input is the end of what the engine gets, but its answer is still read to the end: each side closes its own half.
Result<int> dial(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    auto connection = TRY_WRAP("failed to open the raw stream connection", client::Connection::open(engine.endpoint()));
    os::Fd socket = connection.hijack().first;
    pollfd ends[] = {{STDIN_FILENO, POLLIN, 0}, {socket.get(), POLLIN, 0}};
    for (;;) {
        if (::poll(ends, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return fail_errno("poll");
        }
        if (ends[0].revents != 0 && !copy_piece(STDIN_FILENO, socket.get()).value_or(false)) {
            ends[0].fd = -1;
            (void)os::shutdown_write(socket.get());
        }
        if (ends[1].revents != 0 && !TRY(copy_piece(socket.get(), STDOUT_FILENO))) return 0;
    }
}
}  // namespace

const Command kDialStdio = {"", "Proxy the stdio stream to the daemon connection. Should not be invoked manually.", {}, kNoArguments, dial};

}  // namespace proa::cli
