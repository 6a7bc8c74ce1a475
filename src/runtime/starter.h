#pragma once
#include <optional>

#include "cgroup/group.h"
#include "os/process.h"
#include "runtime/init.h"

// Private to runtime/: the starter's side of a launch.
namespace proa::runtime {

/// Makes the cgroup, clones, applies limits while the init builds its root, answers the init's words, and undoes all of it on failure.
class Starter {
public:
    Starter(const Plan& plan, const Streams& streams, bool gate) : plan_(plan), streams_(streams), gate_(gate) {}
    ~Starter();
    Starter(const Starter&) = delete;

    /// The whole way.
    Result<Init> start();

    /// The init must be born by a helper that joins namespaces first.
    bool needs_helper() const;

    // The steps of start(), for a launcher that clones in its own way.
    Result<void> open_sources();
    Result<void> create_group();
    /// `group` exists already and becomes the container's; on failure it is removed.
    Result<void> adopt_group(cgroup::Group group);
    Result<void> open_channel();
    InitContext context() const;
    void close_child_end() { child_end_.reset(); }
    int child_end() const { return child_end_.get(); }
    const os::Fd& unified() const { return unified_; }
    /// Takes over the clone.
    void adopt(pid_t pid, os::Fd pidfd);
    /// Limits, hooks, maps: until the program runs or waits at the gate.
    Result<Init> finish();

private:
    const Plan& plan_;
    const Streams& streams_;
    bool gate_;
    MountSources sources_;
    std::optional<cgroup::Group> group_;
    bool remove_group_ = false;
    os::Fd unified_, parent_end_, child_end_;
    pid_t helper_ = -1;
    os::Child placeholder_;  ///< the scope's first process, until the init is in it
    Init init_;
    int answers_left_ = 0;  ///< MapUsers and Prepared come before the limits' Go
    bool moved_by_systemd_ = false;  ///< nobody may be born into the scope from here; systemd moves the helper there
    bool devices_later_ = false, limits_applied_ = false, done_ = false;

    Result<void> open_mapped_sources();
    Result<void> start_scope();
    void end_placeholder();
    bool needs_pause() const;
    bool unified_devices() const;
    Result<void> apply_devices_early();
    Result<void> clone();
    Result<void> answer(Incoming incoming, bool& executing, bool& ready);
    Result<void> release_when_limited();
    Result<void> converse();
    Error death_of_init();
};

/// Writes uid_map and gid_map of a process in a new user namespace.
Result<void> write_id_maps(pid_t pid, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

}  // namespace proa::runtime
