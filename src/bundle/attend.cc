#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "bundle/lifecycle.h"
#include "os/process.h"
#include "os/pty.h"

namespace proa::bundle {

namespace {
/// The caller's terminal in raw mode while this lives.
class RawTerminal {
public:
    RawTerminal() {
        if (::tcgetattr(0, &saved_) < 0) return;
        termios raw = saved_;
        ::cfmakeraw(&raw);
        active_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
    }
    ~RawTerminal() {
        if (active_) ::tcsetattr(0, TCSANOW, &saved_);
    }

private:
    termios saved_{};
    bool active_ = false;
};

/// false: that side has ended.
bool copy_some(int from, int to) {
    char buffer[16384];
    ssize_t got = ::read(from, buffer, sizeof buffer);
    if (got < 0) return errno == EINTR || errno == EAGAIN;  // EIO: the last slave was closed
    return got > 0 && os::write_all(to, std::string_view(buffer, static_cast<size_t>(got))).has_value();
}

void take_size(int console) {
    if (auto size = os::window_size(0)) (void)os::set_window_size(console, *size);
}

/// Reaps all that ended; the status when the process itself was among them.
std::optional<int> reap(pid_t pid) {
    std::optional<int> code;
    int status;
    for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG | __WALL)) > 0;)
        if (ended == pid) code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return code;
}
}  // namespace

Result<int> attend_process(runtime::Init& init) {
    sigset_t all;
    sigfillset(&all);
    if (::sigprocmask(SIG_BLOCK, &all, nullptr) < 0) return fail_errno("sigprocmask");
    os::Fd signals(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return fail_errno("signalfd");
    std::optional<RawTerminal> raw;
    if (init.console) {
        raw.emplace();
        take_size(init.console.get());
    }
    int console = init.console.get();
    pollfd entries[3] = {{signals.get(), POLLIN, 0}, {console, POLLIN, 0}, {console >= 0 ? 0 : -1, POLLIN, 0}};
    std::optional<int> code = reap(init.pid);
    while (!code) {
        if (::poll(entries, 3, -1) < 0 && errno != EINTR) return fail_errno("poll");
        if (entries[1].revents && !copy_some(console, 1)) entries[1].fd = -1;
        if (entries[2].revents && !copy_some(0, console)) entries[2].fd = -1;
        signalfd_siginfo info;
        while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            int number = static_cast<int>(info.ssi_signo);
            if (number == SIGCHLD) continue;
            if (number == SIGWINCH && console >= 0) take_size(console);
            else if (number != SIGURG && number != SIGPIPE) (void)os::send_signal(init.pidfd.get(), number);
        }
        code = reap(init.pid);
    }
    while (console >= 0 && entries[1].fd >= 0 && os::wait_readable(console, 0).value_or(false) && copy_some(console, 1)) {
    }
    return *code;
}

}  // namespace proa::bundle
