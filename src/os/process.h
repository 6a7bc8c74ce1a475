#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "os/fd.h"

namespace proa::os {

struct CloneOptions {
    uint64_t flags = 0;        ///< CLONE_NEW*, CLONE_PARENT; a new process without CLONE_VM otherwise
    int cgroup_directory = -1; ///< the child is born in this cgroup v2 directory (CLONE_INTO_CGROUP, Linux 5.7)
};
struct Child {
    pid_t pid = -1;
    Fd pidfd;
};
/// fork(2) with namespaces: returns twice, pid 0 in the child. glibc's fork handlers do not run, so the caller must have one thread.
/// Errors: Unsupported (a namespace kind that the kernel lacks: EINVAL), others by errno. man: clone3(2)
Result<Child> clone_process(const CloneOptions& options);

Result<Fd> open_pidfd(pid_t pid);                      ///< man: pidfd_open(2), Linux 5.3
Result<void> send_signal(int pidfd, int signal);       ///< NotFound (ESRCH) when it has ended. man: pidfd_send_signal(2)

struct ExitStatus {
    int code = 0;    ///< exit status, or 128 + signal
    int signal = 0;  ///< what ended it, 0: it exited
};
/// Waits for and reaps a child; EINTR is retried.
Result<ExitStatus> wait_for_exit(pid_t pid);
/// nullopt while it runs.
Result<std::optional<ExitStatus>> poll_exit(pid_t pid);

/// Field 22 of /proc/PID/stat: a pid and its start time name one process for the life of the machine.
Result<uint64_t> process_start_time(pid_t pid);
/// Field 3 of /proc/PID/stat: 'R', 'S', 'Z' ...
Result<char> process_state(pid_t pid);

/// Whether this process is in another than the first user namespace: its root may be a plain user's. man: user_namespaces(7)
bool in_user_namespace();

/// The signal's number: "TERM", "SIGTERM", "sigterm", "15", "SIGRTMIN+3"; nullopt when it is unknown.
std::optional<int> signal_from_name(std::string_view name);

/// Blocks nothing, and every disposition is the default one: what a fresh program expects.
void reset_signals();

}  // namespace proa::os
