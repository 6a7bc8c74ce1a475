#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "cgroup/layout.h"
#include "cgroup/limits.h"
#include "cgroup/stats.h"
#include "os/fd.h"

namespace proa::cgroup {

/// One control group that stands at the same path below every hierarchy's mount point. A value: it owns no kernel object and
/// its destruction changes nothing. Needs root (or a delegated tree).
class Group {
public:
    Group() = default;
    /// Makes the directories that are missing in every hierarchy, parents too; on v1 cpuset.cpus and cpuset.mems are taken over
    /// from the parent. `path` is absolute and clean, such as "/proa/<id>"; InvalidArgument else.
    static Result<Group> create(std::string path);
    /// The group at `path`, whether it exists or not.
    static Result<Group> at(std::string path);

    const std::string& path() const { return path_; }
    bool exists() const;
    /// The directory in the hierarchy that carries `controller` ("memory"); empty when none does.
    std::string directory(std::string_view controller) const;
    /// The directory in the cgroup2 hierarchy; empty when there is none.
    std::string unified_directory() const;

    /// Writes every limit that is set. Errors name the limit and the controller that is missing, or the file that refused.
    Result<void> apply(const Limits& limits) const;
    /// Everything of apply() but the device rules, and the device rules alone.
    Result<void> apply_without_devices(const Limits& limits) const;
    Result<void> apply_devices(const std::vector<DeviceRule>& rules) const;

    /// Moves a whole process. On an idle machine the kernel waits 5-15 ms for a grace period in here.
    Result<void> attach(pid_t pid) const;
    /// Moves the calling process, which must have one thread, into every v1 hierarchy without that wait (Linux 6.0: a thread
    /// that moves only itself needs no global lock). The cgroup2 hierarchy is left out: use a clone into unified().
    /// `overrides`: controller and the path to enter in its hierarchy instead.
    Result<void> attach_self_to_v1(const std::vector<NameValue>& overrides = {}) const;
    /// O_PATH descriptor of the cgroup2 directory for CLONE_INTO_CGROUP; an empty Fd when the host has no cgroup2 mount.
    Result<os::Fd> open_unified() const;

    /// Only within one parent and only where v1 hierarchies carry the controllers (Unsupported else). The cgroup2 twin, which nobody
    /// may be in, is made anew.
    Result<void> rename(std::string new_path);

    Result<void> freeze() const;  ///< returns when all tasks are stopped; Unavailable after 10 s
    Result<void> thaw() const;
    Result<bool> frozen() const;
    /// SIGKILL to every process, also to those that are being forked right now. Returns when none is left or after 10 s (Unavailable).
    Result<void> kill_all() const;
    Result<void> signal_all(int signal) const;
    Result<std::vector<pid_t>> processes() const;  ///< with those of sub-groups; sorted

    /// Removes the group and its sub-groups from every hierarchy; EBUSY is retried for up to a second. A missing one is no error.
    Result<void> remove() const;

    Result<Stats> stats() const;
    /// How many times the kernel killed for want of memory in here.
    Result<uint64_t> oom_kills() const;

private:
    std::string path_;
    const Layout* layout_ = nullptr;

    std::string directory_in(const Hierarchy& hierarchy) const { return hierarchy.mount_point + path_; }
    Result<void> kill_once() const;
};

/// Tells when the kernel's out-of-memory killer struck in a group.
class OomWatch {
public:
    /// Starts to watch. v1: an eventfd on memory.oom_control; v2: inotify on memory.events.
    /// Errors: Unsupported when no hierarchy carries the memory controller.
    static Result<OomWatch> start(const Group& group);
    /// Readable when something happened (also when the group is removed); then call take().
    int fd() const { return fd_.get(); }
    /// Consumes the event; returns the kills since the last call.
    uint64_t take();

private:
    Group group_;
    os::Fd fd_, control_;
    uint64_t seen_ = 0;
};

}  // namespace proa::cgroup
