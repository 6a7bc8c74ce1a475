#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

namespace proa::os {

enum class SocketType { Stream, SeqPacket };

struct SocketPair {
    Fd first, second;
};
Result<SocketPair> make_socket_pair(SocketType type);

/// Binds and listens on a path; a dead socket file in the way is replaced (the caller holds the daemon's lock).
/// Paths longer than sun_path (107 bytes) go through /proc/self/fd of their directory.
Result<Fd> listen_unix(const std::string& path, SocketType type, mode_t mode, int backlog = 512);
Result<Fd> connect_unix(const std::string& path, SocketType type);
/// Next connection, close-on-exec; blocks unless the listener is non-blocking (then an error with EAGAIN).
Result<Fd> accept_connection(int listener, bool nonblocking);

struct PeerCredentials {
    int pid;
    uint32_t uid, gid;
};
Result<PeerCredentials> peer_credentials(int socket);

/// What a TCP, UDP or SCTP socket is bound to: "tcp 127.0.0.1 8080"; "" when it cannot be told.
std::string bound_to(int socket);

/// One message with descriptors (SCM_RIGHTS); never raises SIGPIPE. The caller keeps its descriptors.
Result<void> send_message(int socket, std::string_view data, std::span<const int> fds = {});

struct Message {
    std::string data;     ///< empty: the peer closed
    std::vector<Fd> fds;  ///< received close-on-exec
};
/// One message of at most `limit` bytes and 250 descriptors; a cut message is an error. EAGAIN stays in Error::number().
Result<Message> receive_message(int socket, size_t limit);

Result<void> shutdown_write(int socket);

/// Waits until the peer of a unix stream socket has read all that was sent; false when it has not after `timeout_ms`.
/// Of other sockets it knows only that the peer's kernel has the bytes. man: unix(7), SIOCOUTQ
bool wait_until_read(int socket, int timeout_ms);

}  // namespace proa::os
