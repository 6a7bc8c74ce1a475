#include "os/socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::os {

namespace {
constexpr size_t kDescriptorsMax = 250;  // SCM_MAX_FD is 253

int kernel_type(SocketType type) { return type == SocketType::Stream ? SOCK_STREAM : SOCK_SEQPACKET; }

/// An address for `path`; `directory` stays open as long as a /proc/self/fd detour is in use.
Result<sockaddr_un> unix_address(const std::string& path, Fd& directory) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string usable = path;
    if (usable.size() >= sizeof address.sun_path) {
        directory = TRY(open_file(directory_of(path), O_PATH | O_DIRECTORY));
        usable = concat("/proc/self/fd/", directory.get(), '/', base_name(path));
    }
    if (usable.size() >= sizeof address.sun_path)
        return fail(ErrorKind::InvalidArgument, concat("unix socket path too long: ", path));
    memcpy(address.sun_path, usable.c_str(), usable.size() + 1);
    return address;
}
}  // namespace

Result<SocketPair> make_socket_pair(SocketType type) {
    int ends[2];
    if (::socketpair(AF_UNIX, kernel_type(type) | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("socketpair");
    return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> listen_unix(const std::string& path, SocketType type, mode_t mode, int backlog) {
    Fd socket(::socket(AF_UNIX, kernel_type(type) | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    Fd directory;
    sockaddr_un address = TRY(unix_address(path, directory));
    ::unlink(address.sun_path);
    mode_t old_mask = ::umask(0777 & ~mode);
    int bound = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::umask(old_mask);
    if (bound < 0) return fail_errno("bind", path);
    if (::listen(socket.get(), backlog) < 0) return fail_errno("listen", path);
    return socket;
}

Result<Fd> connect_unix(const std::string& path, SocketType type) {
    Fd socket(::socket(AF_UNIX, kernel_type(type) | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    Fd directory;
    sockaddr_un address = TRY(unix_address(path, directory));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        return fail_errno("connect", path);
    return socket;
}

Result<Fd> accept_connection(int listener, bool nonblocking) {
    for (;;) {
        int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
        if (fd >= 0) return Fd(fd);
        if (errno != EINTR) return fail_errno("accept");
    }
}

Result<PeerCredentials> peer_credentials(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return fail_errno("SO_PEERCRED");
    return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

std::string bound_to(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    int protocol = 0;
    socklen_t protocol_size = sizeof protocol;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return "";
    if (::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_size) < 0) return "";
    char text[INET6_ADDRSTRLEN] = "";
    uint16_t port = 0;
    if (address.ss_family == AF_INET) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(address);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        port = ntohs(v4.sin_port);
    } else if (address.ss_family == AF_INET6) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        port = ntohs(v6.sin6_port);
    }
    const char* name = protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp";
    return concat(name, ' ', static_cast<const char*>(text), ' ', port);
}

Result<void> send_message(int socket, std::string_view data, std::span<const int> fds) {
    if (fds.size() > kDescriptorsMax) return fail(ErrorKind::Internal, "too many descriptors in one message");
    iovec part{const_cast<char*>(data.data()), data.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    for (;;) {
        ssize_t put = ::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (put >= 0) return {};
        if (errno != EINTR) return fail_errno("sendmsg");
    }
}

Result<Message> receive_message(int socket, size_t limit) {
    Message received;
    received.data.resize(limit);
    iovec part{received.data.data(), limit};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptorsMax)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    do got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno("recvmsg");
    received.data.resize(static_cast<size_t>(got));
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            received.fds.emplace_back(fd);
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail(ErrorKind::InvalidArgument, "message too large");
    return received;
}

Result<void> shutdown_write(int socket) {
    if (::shutdown(socket, SHUT_WR) < 0) return fail_errno("shutdown");
    return {};
}

bool wait_until_read(int socket, int timeout_ms) {
    constexpr int64_t kLongestPause = 1'000'000;
    const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_ms} * 1'000'000;
    // The kernel wakes nobody for this: look again after pauses that grow.
    for (timespec pause{0, 20'000};; pause.tv_nsec = std::min<int64_t>(pause.tv_nsec * 2, kLongestPause)) {
        int left = 0;
        if (::ioctl(socket, SIOCOUTQ, &left) < 0 || left == 0) return true;
        if (monotonic_nanoseconds() > deadline) return false;
        ::nanosleep(&pause, nullptr);
    }
}

}  // namespace proa::os
