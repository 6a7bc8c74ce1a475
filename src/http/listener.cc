#include "http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "http/socket_address.h"
#include "os/socket.h"

namespace proa::http {

namespace {
constexpr int kBacklog = 512;
constexpr int kFirstInherited = 3;

Unexpected bad_address(std::string_view text) {
    return fail(ErrorKind::InvalidArgument, concat("invalid bind address format: ", text));
}

Result<ListenAddress> parse_tcp(std::string_view text, std::string_view rest, bool tls) {
    ListenAddress address{ListenAddress::Kind::Tcp};
    address.port = tls ? 2376 : 2375;
    rest = trim_suffix(rest, "/");
    if (rest.empty()) {
        address.host = "localhost";
        return address;
    }
    std::string_view port;
    if (rest.starts_with('[')) {
        auto close = rest.find(']');
        if (close == rest.npos) return bad_address(text);
        address.host = rest.substr(1, close - 1);
        port = rest.substr(close + 1);
    } else {
        auto colon = rest.rfind(':');
        address.host = rest.substr(0, colon);
        if (colon != rest.npos) port = rest.substr(colon);
    }
    if (address.host.find_first_of("/[]:") != address.host.npos && !rest.starts_with('[')) return bad_address(text);
    if (port.empty()) return address;
    auto number = port[0] == ':' ? parse_uint(port.substr(1)) : std::nullopt;
    if (!number || *number > 65535) return bad_address(text);
    address.port = static_cast<uint16_t>(*number);
    return address;
}

struct AddressList {
    addrinfo* first = nullptr;
    AddressList() = default;
    AddressList(const AddressList&) = delete;
    ~AddressList() {
        if (first) ::freeaddrinfo(first);
    }
};

Result<void> resolve(AddressList& list, const std::string& host, uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), concat(port).c_str(), &hints, &list.first);
    if (failed) return fail(ErrorKind::NotFound, concat("resolve ", host, ": ", ::gai_strerror(failed)));
    return {};
}

Result<Listener> listen_on_address(const addrinfo& address) {
    Listener listener;
    listener.unix_socket = false;
    listener.socket = os::Fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener.socket) return fail_errno("socket");
    int on = 1, fd = listener.socket.get();
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ai_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto name = address_text(address.ai_addr);
    if (::bind(fd, address.ai_addr, address.ai_addrlen) < 0) return fail_errno("bind", name);
    if (::listen(fd, kBacklog) < 0) return fail_errno("listen", name);
    listener.name = local_address_text(fd);
    return listener;
}

Result<Listener> adopt_socket(int fd, std::shared_ptr<TlsContext> tls) {
    Listener listener;
    listener.socket = os::Fd(fd);
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return fail(ErrorKind::InvalidArgument, concat("inherited descriptor ", fd, " is not a listening socket"));
    TRY(os::set_close_on_exec(fd, true));
    TRY(os::set_nonblocking(fd, true));
    sockaddr_storage address{};
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return fail_errno("getsockname");
    listener.unix_socket = address.ss_family == AF_UNIX;
    listener.name = local_address_text(fd);
    if (!listener.unix_socket) listener.tls = std::move(tls);
    return listener;
}
}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text, bool tls) {
    text = trim(text);
    ListenAddress address;
    if (text.starts_with("unix://")) {
        address.path = text.substr(7);
        if (address.path.empty()) address.path = "/var/run/docker.sock";
        return address;
    }
    if (text.starts_with("fd://")) {
        address.kind = Kind::Inherited;
        auto rest = text.substr(5);
        if (rest.empty() || rest == "*") return address;
        auto number = parse_uint(rest);
        if (!number || *number < kFirstInherited || *number > 1 << 20)
            return fail(ErrorKind::InvalidArgument,
                        concat("failed to parse systemd fd address: should be a number: ", rest));
        address.fd = static_cast<int>(*number);
        return address;
    }
    if (text.starts_with("tcp://")) return parse_tcp(text, text.substr(6), tls);
    if (text.empty() || text.find("://") != text.npos) return bad_address(text);
    return parse_tcp(text, text, tls);
}

bool is_loopback_host(const std::string& host) {
    if (host.empty()) return false;
    AddressList list;
    if (!resolve(list, host, 0) || !list.first) return false;
    for (auto* entry = list.first; entry; entry = entry->ai_next) {
        if (entry->ai_family == AF_INET) {
            auto& v4 = *reinterpret_cast<sockaddr_in*>(entry->ai_addr);
            if (ntohl(v4.sin_addr.s_addr) >> 24 != 127) return false;
        } else if (entry->ai_family == AF_INET6) {
            auto& v6 = *reinterpret_cast<sockaddr_in6*>(entry->ai_addr);
            if (!IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) return false;
        } else {
            return false;
        }
    }
    return true;
}

Result<Listener> listen_on_path(const std::string& path, int mode, int64_t group_id) {
    Listener listener;
    listener.name = path;
    listener.unlink_path = path;
    // Without the group first: nobody else may connect before the owner is right.
    listener.socket = TRY(os::listen_unix(path, os::SocketType::Stream, static_cast<mode_t>(mode) & 0700, kBacklog));
    TRY(os::set_nonblocking(listener.socket.get(), true));
    if (group_id >= 0 && ::chown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(group_id)) < 0)
        return fail_errno("chown", path);
    if (::chmod(path.c_str(), static_cast<mode_t>(mode)) < 0) return fail_errno("chmod", path);
    return listener;
}

Result<std::vector<Listener>> listen_on_tcp(const std::string& host, uint16_t port, std::shared_ptr<TlsContext> tls) {
    AddressList list;
    TRY(resolve(list, host, port));
    std::vector<Listener> listeners;
    std::optional<Error> failure;
    for (auto* entry = list.first; entry; entry = entry->ai_next) {
        auto listener = listen_on_address(*entry);
        if (!listener) {
            // "localhost" often names ::1 on hosts without IPv6.
            if (int number = listener.error().number(); number == EADDRNOTAVAIL || number == EAFNOSUPPORT) {
                failure = std::move(listener).error();
                continue;
            }
            return fail(std::move(listener).error());
        }
        listener->tls = tls;
        listeners.push_back(std::move(*listener));
        if (port == 0) break;  // a second family would get another port
    }
    if (listeners.empty()) return fail(failure.value_or(Error(ErrorKind::NotFound, concat("no address for ", host))));
    return listeners;
}

Result<std::vector<Listener>> inherited_listeners(std::optional<int> only, std::shared_ptr<TlsContext> tls) {
    auto number = [](const char* name) {
        const char* text = ::getenv(name);
        return text ? parse_int(text) : std::nullopt;
    };
    auto pid = number("LISTEN_PID"), count = number("LISTEN_FDS");
    if (!pid || *pid != ::getpid() || !count || *count <= 0)
        return fail(ErrorKind::NotFound,
                    "no sockets found via socket activation: make sure the service was started by systemd");
    if (only && *only - kFirstInherited >= *count)
        return fail(ErrorKind::NotFound, "too few socket activated files passed in by systemd");
    for (auto* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    std::vector<Listener> listeners;
    for (int fd = kFirstInherited; fd < kFirstInherited + *count; fd++) {
        if (only && *only != fd) {
            ::close(fd);
            continue;
        }
        listeners.push_back(TRY(adopt_socket(fd, tls)));
    }
    return listeners;
}

}  // namespace proa::http
