#pragma once
#include <atomic>
#include <memory>

#include "runtime/channel.h"
#include "runtime/plan.h"

// Private to runtime/: the way of a seccomp filter's notify descriptor from the process that loads it to the agent which answers.
// Spec: config-linux.md, seccomp listenerPath.
namespace proa::runtime {

/// Carries the descriptor out of a process whose new filter may already forbid or suspend every system call that could carry it: a
/// thread that is not under the filter sends it. Make it before the filter is loaded.
class ListenerCourier {
public:
    static Result<ListenerCourier> start(int channel);
    ListenerCourier(ListenerCourier&&) noexcept;
    ~ListenerCourier();
    /// Returns when the agent has the descriptor; makes no system call. Never returns when there is no agent.
    void carry(int descriptor);

private:
    ListenerCourier();
    struct State;
    std::unique_ptr<State> state_;
};

/// The starter's side: connects to the agent, hands the descriptor over and lets the process behind `channel` go on. `container` and
/// `process` are pids as the caller sees them.
Result<void> deliver_listener(const SeccompListener& listener, int descriptor, std::string_view status, pid_t container, pid_t process, int channel);

}  // namespace proa::runtime
