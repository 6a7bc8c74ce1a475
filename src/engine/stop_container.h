#pragma once
#include "engine/parts.h"

namespace proa::engine {

struct StopOptions {
    std::string signal;                      ///< "" for the container's own stop signal
    std::optional<int64_t> timeout_seconds;  ///< unset: the container's or the daemon's; negative: wait for ever
};

/// Asks the init to end and kills it after the time-out; returns when it has ended. Errors: NotModified when it does not run.
Result<void> stop_container(Parts& parts, const container::ContainerPointer& container, const StopOptions& options);

/// Stop (when it runs) and start.
Result<void> restart_container(Parts& parts, const container::ContainerPointer& container, const StopOptions& options);

/// Sends one signal; SIGKILL and the stop signal also end restarting. Errors: Conflict when it does not run, InvalidArgument.
Result<void> kill_container(Parts& parts, const container::ContainerPointer& container, std::string_view signal);

/// Waits until the container does not run any more: true, or false after the time-out (negative: none).
Result<bool> wait_until_stopped(const container::ContainerPointer& container, int64_t timeout_ms);

}  // namespace proa::engine
