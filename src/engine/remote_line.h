#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/tls.h"
#include "os/fd.h"

namespace proa::engine {

/// Where a logging driver sends to.
struct LogAddress {
    std::string protocol;  ///< "udp", "tcp", "tcp+tls", "tls", "unix", "unixgram"
    std::string host, port, path;
};

/// "udp://host:514", "unix:///dev/log"; without a protocol it is "tcp".
LogAddress parse_log_address(std::string_view text, std::string_view default_port);

/// A connection that comes back: what cannot be written is tried once more on a new one. Not thread-safe.
class RemoteLine {
public:
    /// `tls`, when given, encrypts a stream to a host.
    explicit RemoteLine(LogAddress address, std::shared_ptr<http::TlsContext> tls = nullptr) : address_(std::move(address)), tls_(std::move(tls)) {}

    /// Errors: "dial tcp host:port: connect: connection refused", "dial unix /path: ...", those of the TLS handshake.
    Result<void> connect();
    Result<void> write(std::string_view data);
    /// Writes, and reads until `is_answer` says so of all that came. Errors: Unavailable when there is none within ten seconds.
    Result<void> exchange(std::string_view data, const std::function<bool(std::string_view)>& is_answer);
    /// How long a write may take, 0: as long as it takes.
    void limit_writes(int64_t nanoseconds) { write_limit_ = nanoseconds; }
    /// A connection that is older is not written to any more: a new one is made, so that a balancer may choose again. 0: none is too old.
    void renew_after(int64_t nanoseconds) { lifetime_ = nanoseconds; }
    bool is_udp() const { return address_.protocol == "udp"; }
    bool is_encrypted() const { return tls_ != nullptr; }

private:
    Result<void> dial();
    Result<void> put(std::string_view data);
    Result<void> await(const std::function<bool(std::string_view)>& is_answer);

    LogAddress address_;
    std::shared_ptr<http::TlsContext> tls_;
    os::Fd fd_;
    std::optional<int64_t> write_limit_;
    int64_t lifetime_ = 0, connected_at_ = 0;
};

}  // namespace proa::engine
