#pragma once
#include <memory>

#include "container/log_reader.h"
#include "container/record.h"

namespace proa::engine {

/// A place that a container's log is sent to. Not thread-safe.
class RemoteLog {
public:
    virtual ~RemoteLog() = default;
    /// One message, without its newline; connects again when the connection is lost. May block for some seconds.
    virtual Result<void> send(const container::LogMessage& message, std::string_view text) = 0;
};

/// Connects. Errors: what Docker says behind "failed to initialize logging driver: ".
Result<std::unique_ptr<RemoteLog>> open_remote_log(const container::Record& record);

}  // namespace proa::engine
