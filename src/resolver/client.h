#pragma once
#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "os/fd.h"
#include "resolver/protocol.h"

// The engine's side of the resolver's protocol. docs/formats/resolver.md
namespace proa::resolver {

/// A connection to the resolver. For one thread at a time.
class Connection {
public:
    Connection() = default;
    explicit Connection(os::Fd socket) : socket_(std::move(socket)) {}
    /// To one that runs already. Errors: NotFound or Internal (ECONNREFUSED) when there is none.
    static Result<Connection> connect(const std::string& socket_path);

    /// Errors: the resolver's own; Unavailable (EPIPE) when it is gone, (ETIMEDOUT) when it is silent.
    Result<Reply> request(const Request& request, std::span<const int> fds = {});

    int fd() const { return socket_.get(); }  ///< readable when the resolver has ended
    explicit operator bool() const { return static_cast<bool>(socket_); }

private:
    os::Fd socket_;
};

struct Started {
    pid_t pid = -1;  ///< our child: reap it when it ends
    Connection connection;
};
/// Starts the program `path`, which listens on `socket_path`.
Result<Started> start_resolver(const std::string& path, const std::string& socket_path);

}  // namespace proa::resolver
