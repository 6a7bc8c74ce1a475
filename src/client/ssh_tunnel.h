#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "os/fd.h"

// The way to an engine through OpenSSH's client: `ssh HOST docker system dial-stdio`, whose standard streams are the connection.
namespace proa::client {

/// ssh://[user@]host[:port][/path of the engine's socket there]
struct SshAddress {
    std::string user, host, port, socket_path;

    /// Errors: InvalidArgument with docker's texts, `ssh host connection is not valid: invalid SSH URL: ...`.
    static Result<SshAddress> parse(std::string_view text);
    /// The words that reach `system dial-stdio` there. `program` is "docker" or "proa"; proa takes docker where it is missing.
    std::vector<std::string> command(std::string_view program) const;
};

/// One running ssh and our end of its streams. Ends it when it goes.
class SshTunnel {
public:
    /// In a session of its own, so that Ctrl-C does not reach it. Errors: NotFound when there is no ssh in $PATH.
    static Result<SshTunnel> open(const SshAddress& address, std::string_view program);
    SshTunnel(SshTunnel&& other) noexcept;
    SshTunnel& operator=(SshTunnel&& other) noexcept;
    ~SshTunnel();

    os::Fd take_stream() { return std::move(stream_); }
    /// Once the stream has ended: what ssh left, in docker's words.
    std::string failure();

private:
    SshTunnel() = default;
    std::string command_;
    pid_t pid_ = -1;
    os::Fd stream_, error_output_;
};

}  // namespace proa::client
