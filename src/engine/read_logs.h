#pragma once
#include <functional>

#include "container/container.h"
#include "engine/parts.h"
#include "container/log_reader.h"

namespace proa::engine {

struct LogsRequest {
    container::LogOptions options;
    bool follow = false;
};

/// Where messages go and how a follower learns that nobody reads any more.
struct LogSink {
    std::function<Result<void>(const container::LogMessage&)> message;
    std::function<Result<void>()> flush;  ///< everything that is there now was sent
    /// Waits up to `timeout_ms` for `event_fd` to become readable. Errors: Cancelled when the client has gone.
    std::function<Result<bool>(int event_fd, int timeout_ms)> wait;
};

/// Sends the container's log to `sink`; with `follow` goes on until the container has ended and its last line was sent.
/// Errors: Unsupported "configured logging driver does not support reading".
Result<void> read_logs(const Parts& parts, const container::ContainerPointer& container, const LogsRequest& request, const LogSink& sink);

}  // namespace proa::engine
