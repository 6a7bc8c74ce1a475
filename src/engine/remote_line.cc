#include "engine/remote_line.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::engine {

namespace {

constexpr int kConnectSeconds = 5, kAnswerMs = 10000;

Result<os::Fd> connect_unix(const std::string& path, int type) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) return fail(ErrorKind::InvalidArgument, concat("dial unix ", path, ": path too long"));
    path.copy(name.sun_path, path.size());
    os::Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket");
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) < 0) return fail(errno_error(type == SOCK_DGRAM ? "dial unixgram" : "dial unix", path));
    return fd;
}

Result<os::Fd> connect_internet(const LogAddress& address) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = address.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    std::string_view protocol = address.protocol == "udp" ? "udp" : "tcp";
    std::string subject = concat(address.host, ':', address.port);
    int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
    if (code != 0) return fail(ErrorKind::Internal, concat("dial ", protocol, ": lookup ", address.host, ": ", std::string_view(::gai_strerror(code))));
    Error last(ErrorKind::Internal, concat("dial ", protocol, ' ', subject, ": no address"));
    timeval limit{kConnectSeconds, 0};
    for (addrinfo* one = found; one; one = one->ai_next) {
        os::Fd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
        if (!fd) continue;
        (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect(2) too
        if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) {
            ::freeaddrinfo(found);
            return fd;
        }
        last = Error(ErrorKind::Internal, concat("dial ", protocol, ' ', subject, ": connect: ", to_lower(std::string_view(::strerror(errno)))), errno);
    }
    ::freeaddrinfo(found);
    return fail(std::move(last));
}

}  // namespace

LogAddress parse_log_address(std::string_view text, std::string_view default_port) {
    LogAddress address;
    auto parts = cut(text, "://");
    address.protocol = parts ? parts->first : "tcp";
    std::string_view rest = parts ? parts->second : text;
    if (address.protocol.starts_with("unix")) {
        address.path = rest;
        return address;
    }
    rest = trim_suffix(rest, "/");
    size_t colon = rest.rfind(':');
    bool has_port = colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos;
    address.host = has_port ? rest.substr(0, colon) : rest;
    address.port = has_port ? rest.substr(colon + 1) : default_port;
    address.host = trim_suffix(trim_prefix(address.host, "["), "]");
    return address;
}

Result<void> RemoteLine::connect() {
    TRY(dial());
    connected_at_ = monotonic_nanoseconds();
    if (!write_limit_) return {};
    timeval limit{static_cast<time_t>(*write_limit_ / 1'000'000'000), static_cast<suseconds_t>(*write_limit_ % 1'000'000'000 / 1000)};
    if (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) return fail_errno("set the write timeout");
    return {};
}

Result<void> RemoteLine::dial() {
    if (address_.protocol == "unix" || address_.protocol == "unixgram") {
        auto fd = connect_unix(address_.path, SOCK_DGRAM);
        if (!fd || address_.protocol == "unix") {
            auto stream = connect_unix(address_.path, SOCK_STREAM);
            if (stream) fd = std::move(stream);
        }
        fd_ = TRY(std::move(fd));
        return {};
    }
    auto plain = TRY(connect_internet(address_));
    if (tls_) plain = TRY_WRAP(concat("dial tls ", address_.host, ':', address_.port), http::tls_connect(std::move(plain), *tls_, address_.host));
    fd_ = std::move(plain);
    return {};
}

Result<void> RemoteLine::write(std::string_view data) {
    if (lifetime_ > 0 && fd_ && monotonic_nanoseconds() - connected_at_ > lifetime_) fd_.reset();
    for (int attempt = 0;; attempt++) {
        if (!fd_) TRY(connect());
        auto sent = put(data);
        if (sent || attempt > 0) return sent;
        fd_.reset();
    }
}

Result<void> RemoteLine::exchange(std::string_view data, const std::function<bool(std::string_view)>& is_answer) {
    TRY(write(data));
    auto answered = await(is_answer);
    if (!answered) fd_.reset();  // what comes later belongs to nobody
    return answered;
}

Result<void> RemoteLine::put(std::string_view data) {
    // A server that closed is noticed before the write that would be lost.
    char probe;
    if (!is_udp() && ::recv(fd_.get(), &probe, 1, MSG_PEEK | MSG_DONTWAIT) == 0) return fail(ErrorKind::Unavailable, "the connection was closed", EPIPE);
    while (!data.empty()) {
        ssize_t sent = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return fail_errno("write", concat(address_.host, address_.path));
        data.remove_prefix(static_cast<size_t>(sent));
    }
    return {};
}

Result<void> RemoteLine::await(const std::function<bool(std::string_view)>& is_answer) {
    std::string received;
    int64_t deadline = monotonic_nanoseconds() + int64_t{kAnswerMs} * 1000000;
    for (;;) {
        int64_t left = (deadline - monotonic_nanoseconds()) / 1000000;
        if (left <= 0 || !TRY(os::wait_readable(fd_.get(), static_cast<int>(left))))
            return fail(ErrorKind::Unavailable, concat(address_.host, address_.path, ": no acknowledgement within ", kAnswerMs / 1000, " seconds"));
        char piece[512];
        size_t got = TRY(os::read_some(fd_.get(), std::span(piece)));
        if (got == 0) return fail(ErrorKind::Unavailable, concat(address_.host, address_.path, ": the connection was closed before the acknowledgement"), EPIPE);
        received.append(piece, got);
        if (is_answer(received)) return {};
    }
}

}  // namespace proa::engine
