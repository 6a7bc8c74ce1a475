#pragma once
#include <sys/types.h>

#include <span>

#include "base/result.h"
#include "os/fd.h"
#include "runtime/plan.h"

namespace proa::cgroup {
class Group;
}

namespace proa::runtime {

/// What the new process gets from its starter. Without a terminal the three descriptors become 0, 1 and 2 (-1: /dev/null).
struct Streams {
    int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;
    std::span<const int> descriptors;  ///< what plans refer to by index (network namespaces, bind sources)
    int preserved_descriptors = 0;     ///< 3 .. 3+n-1 of the caller stay open in the process (runc's --preserve-fds)
    bool die_with_parent = false;      ///< SIGKILL for the process when the calling thread ends (unless it executes a setuid program)
    int gate_listener = -1;            ///< create(): a listening SOCK_SEQPACKET socket that is the gate instead of Init::start_gate
};

/// The plan whose program runs behind `init_path`, bound to /sbin/docker-init. launch() and create() do that by themselves.
Plan with_init(Plan plan);

/// A started (or created) process. The caller is its parent and must reap it.
struct Init {
    pid_t pid = -1;
    os::Fd pidfd;
    os::Fd console;     ///< the pty's master when the process has a terminal
    os::Fd start_gate;  ///< only from create(): open_gate() lets the process execute
};

/// Runs the plan: cgroup, namespaces, root, mounts ... and returns once the process has executed its program.
/// The caller's child is the container's init. Errors carry runc's words after "unable to start container process: ", such as
/// `exec: "x": executable file not found in $PATH` (number ENOENT) or `exec: "/x": permission denied` (EACCES), so that engines can
/// tell 127 from 126. After an error nothing of the container is left (cgroup removed, child reaped).
Result<Init> launch(const Plan& plan, const Streams& streams);

/// The OCI `create` half of launch(): everything but the final exec, which waits for open_gate().
Result<Init> create(const Plan& plan, const Streams& streams);
/// Returns once the process has executed its program. Errors as launch(); the process has ended then and is left to be reaped.
/// `listener`: the plan's, when its seccomp profile has one.
Result<void> open_gate(Init& init, const std::optional<SeccompListener>& listener = {});
/// The same through a connection to the gate_listener of create(), from any process; `pid` is the init's.
Result<void> open_gate(int connection, const std::optional<SeccompListener>& listener = {}, pid_t pid = -1);

/// A process in a running container; returns once it has executed its program. Errors as launch().
Result<Init> execute(const ExecPlan& plan, const Streams& streams);

/// A child that already sits in a pooled cgroup and waits to clone inits from there, so that no start pays for the kernel's
/// grace period on the first write to cgroup.procs. It clones with CLONE_PARENT: the init is the owner's child all the same.
class ParkedLauncher {
public:
    /// Forks the waiting child (the caller must be small: the shim) and attaches it to `group`, which is created.
    static Result<ParkedLauncher> park(const std::string& pool_cgroup_path);
    ParkedLauncher(ParkedLauncher&&) noexcept;
    ParkedLauncher& operator=(ParkedLauncher&&) noexcept;
    ~ParkedLauncher();  ///< ends and reaps the child; removes the pooled cgroup when it was not used

    /// As runtime::launch, in the parked cgroup, which becomes `plan.cgroup_path` (renamed on v1). The child ends afterwards.
    Result<Init> launch(const Plan& plan, const Streams& streams);

private:
    ParkedLauncher() = default;
    struct State;
    State* state_ = nullptr;
};

}  // namespace proa::runtime
