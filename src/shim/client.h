#pragma once
#include <sys/types.h>

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "os/fd.h"
#include "shim/protocol.h"
#include "shim/records.h"

// The engine's side of the shim protocol. docs/formats/shim.md tells which message comes when.
namespace proa::shim {

/// A control connection. For one thread at a time; a container may have several (one for requests, one for events).
class Connection {
public:
    Connection() = default;
    explicit Connection(os::Fd socket) : socket_(std::move(socket)) {}
    /// To a shim that runs already. Errors: NotFound (ENOENT) or Internal (ECONNREFUSED) when it is gone: read the exit record.
    static Result<Connection> connect(const std::string& state_directory);

    /// Sends and waits for the reply. A refusal comes back as the shim's own error (kind, number and text kept).
    /// Events that arrive meanwhile are kept for receive_event(). Descriptors stay the caller's.
    /// Errors: Unavailable when the shim is gone (number EPIPE) or silent for `timeout_ms` (ETIMEDOUT; the request may still be done).
    Result<Reply> request(MessageType type, std::string body, std::span<const int> fds, int timeout_ms);
    template <class Message>
    Result<Reply> request(MessageType type, const Message& message, std::span<const int> fds = {}, int timeout_ms = kTimeoutMs) {
        return request(type, pack(message), fds, timeout_ms);
    }

    /// The next event, nothing after `timeout_ms` (-1: waits for ever, 0: looks only).
    /// Errors: Unavailable (EPIPE) when the shim is gone and no event is left.
    Result<std::optional<Event>> receive_event(int timeout_ms);

    /// Readable when a message is there or the shim is gone. -1 when default constructed.
    int fd() const { return socket_.get(); }
    explicit operator bool() const { return static_cast<bool>(socket_); }

    static constexpr int kTimeoutMs = 30'000;

private:
    Result<std::optional<Request>> receive(int timeout_ms);

    os::Fd socket_;
    uint64_t sequence_ = 0;
    std::deque<Event> events_;
};

/// The shim's program in a sealed memfd, or (where the kernel forbids executable memfds) the file itself. Open it once.
Result<os::Fd> open_shim_binary(const std::string& path);

struct StartedShim {
    pid_t pid = -1;  ///< our child: reap it when it ends
    os::Fd pidfd;
    Connection connection;
};
/// Executes the shim without fork(2): new session, default signals, no descriptor but /dev/null and the control connection.
/// With `pool_cgroup_path` it prepares a parked launcher there and waits. Errors: those of clone and execve.
Result<StartedShim> start_shim(int shim_binary, const std::string& pool_cgroup_path = {});

}  // namespace proa::shim
