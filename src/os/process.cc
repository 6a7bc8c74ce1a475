#include "os/process.h"

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/file.h"

namespace proa::os {

Result<Child> clone_process(const CloneOptions& options) {
    clone_args arguments{};
    int pidfd = -1;
    arguments.flags = options.flags | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    // A sibling (CLONE_PARENT) takes over the exit signal of its creator; naming one is an error.
    arguments.exit_signal = options.flags & CLONE_PARENT ? 0 : SIGCHLD;
    if (options.cgroup_directory >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = static_cast<uint64_t>(options.cgroup_directory);
    }
    long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) return fail_errno("clone3");
    if (pid == 0) return Child{0, Fd()};
    return Child{static_cast<pid_t>(pid), Fd(pidfd)};
}

Result<Fd> open_pidfd(pid_t pid) {
    long fd = ::syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return fail_errno("pidfd_open", concat(pid));
    return Fd(static_cast<int>(fd));
}

Result<void> send_signal(int pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) < 0) {
        if (errno == ESRCH) return fail(ErrorKind::NotFound, "send signal: the process has ended", ESRCH);
        return fail_errno("pidfd_send_signal");
    }
    return {};
}

namespace {
ExitStatus exit_status(int status) {
    if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

/// The fields of /proc/PID/stat behind the command name, which may itself hold spaces and brackets.
Result<std::vector<std::string>> stat_fields(pid_t pid) {
    std::string text = TRY(read_file(concat("/proc/", pid, "/stat"), 1 << 16));
    size_t end = text.rfind(')');
    if (end == std::string::npos) return fail(ErrorKind::Internal, concat("malformed /proc/", pid, "/stat"));
    return split_fields(std::string_view(text).substr(end + 1));
}
}  // namespace

Result<ExitStatus> wait_for_exit(pid_t pid) {
    int status = 0;
    for (;;) {
        if (::waitpid(pid, &status, __WALL) >= 0) return exit_status(status);
        if (errno != EINTR) return fail_errno("waitpid", concat(pid));
    }
}

Result<std::optional<ExitStatus>> poll_exit(pid_t pid) {
    int status = 0;
    for (;;) {
        pid_t ended = ::waitpid(pid, &status, __WALL | WNOHANG);
        if (ended == 0) return std::optional<ExitStatus>();
        if (ended > 0) return std::optional(exit_status(status));
        if (errno != EINTR) return fail_errno("waitpid", concat(pid));
    }
}

Result<uint64_t> process_start_time(pid_t pid) {
    auto fields = TRY(stat_fields(pid));
    auto value = fields.size() > 19 ? parse_uint(fields[19]) : std::nullopt;
    if (!value) return fail(ErrorKind::Internal, concat("malformed /proc/", pid, "/stat"));
    return *value;
}

Result<char> process_state(pid_t pid) {
    auto fields = TRY(stat_fields(pid));
    if (fields.empty() || fields[0].empty()) return fail(ErrorKind::Internal, concat("malformed /proc/", pid, "/stat"));
    return fields[0][0];
}

bool in_user_namespace() {
    auto map = read_file("/proc/self/uid_map");
    return map && split_fields(*map) != std::vector<std::string>{"0", "0", "4294967295"};
}

std::optional<int> signal_from_name(std::string_view name) {
    if (auto number = parse_int(name)) return *number >= 0 && *number <= SIGRTMAX ? std::optional(static_cast<int>(*number)) : std::nullopt;
    std::string upper = to_upper(name);
    std::string_view bare = trim_prefix(upper, "SIG");
    for (int signal = 1; signal < 32; signal++) {
        const char* known = sigabbrev_np(signal);
        if (known && bare == known) return signal;
    }
    if (bare == "IOT") return SIGABRT;
    if (bare == "CLD") return SIGCHLD;
    if (bare == "POLL") return SIGIO;
    if (bare == "UNUSED") return SIGSYS;
    auto offset = [&](std::string_view prefix) -> std::optional<int64_t> {
        std::string_view rest = bare.substr(prefix.size());
        return rest.empty() ? std::optional<int64_t>(0) : parse_int(rest);
    };
    std::optional<int64_t> real;
    if (bare.starts_with("RTMIN")) {
        if ((real = offset("RTMIN"))) *real += SIGRTMIN;
    } else if (bare.starts_with("RTMAX")) {
        if ((real = offset("RTMAX"))) *real += SIGRTMAX;
    }
    if (!real || *real < SIGRTMIN || *real > SIGRTMAX) return std::nullopt;
    return static_cast<int>(*real);
}

void reset_signals() {
    struct sigaction fresh {};
    fresh.sa_handler = SIG_DFL;
    for (int signal = 1; signal < _NSIG; signal++) {
        struct sigaction now;
        if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_DFL) ::sigaction(signal, &fresh, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace proa::os
