#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "shim/client.h"

namespace proa::container {

/// Hands out started shims. A few wait ready with a launcher parked in a pooled cgroup, so that a start pays neither for the
/// exec of the shim nor for the kernel's grace period on the first write to cgroup.procs. Thread-safe.
class ShimSupply {
public:
    struct Options {
        std::string shim_path;
        std::string pool_cgroup_parent;  ///< "/proa": pooled cgroups are made in it; "" keeps no shims ready
        size_t ready = 2;
    };
    static Result<std::unique_ptr<ShimSupply>> create(Options options);
    ~ShimSupply();

    /// Begins to keep shims ready.
    void begin();
    /// A shim for a container whose cgroup is in `cgroup_parent`: a ready one when that is the pool's parent, else a new one.
    Result<shim::StartedShim> take(const std::string& cgroup_parent);
    size_t ready() const;
    /// A shim that was taken from here is about to end or has ended: its zombie is taken away, now or at the next reap().
    void expect_end(pid_t shim);
    /// For SIGCHLD: takes away the expected ones that have ended. Other children are left alone.
    void reap();

private:
    explicit ShimSupply(Options options) : options_(std::move(options)) {}
    void refill();

    Options options_;
    os::Fd binary_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<shim::StartedShim> ready_;
    std::vector<pid_t> ending_;
    bool stopping_ = false;
    std::thread refiller_;
};

}  // namespace proa::container
