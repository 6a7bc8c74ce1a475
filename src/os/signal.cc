#include "os/signal.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace proa::os {

Result<void> block_all_signals() {
    sigset_t all;
    sigfillset(&all);
    if (::sigprocmask(SIG_SETMASK, &all, nullptr) < 0) return fail_errno("sigprocmask");
    return {};
}

Result<Fd> open_signal_descriptor(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (int number : signals) sigaddset(&set, number);
    int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return fail_errno("signalfd");
    return Fd(fd);
}

std::optional<int> next_signal(int descriptor) {
    signalfd_siginfo info;
    for (;;) {
        ssize_t got = ::read(descriptor, &info, sizeof info);
        if (got == sizeof info) return static_cast<int>(info.ssi_signo);
        if (got < 0 && errno == EINTR) continue;
        return std::nullopt;
    }
}

std::optional<Reaped> reap_child() {
    int status = 0;
    pid_t pid;
    do pid = ::waitpid(-1, &status, WNOHANG | __WALL);
    while (pid < 0 && errno == EINTR);
    if (pid <= 0) return std::nullopt;
    return Reaped{pid, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
}

}  // namespace proa::os
