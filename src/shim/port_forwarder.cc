#include "shim/port_forwarder.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "os/socket.h"

namespace proa::shim {

namespace {
constexpr size_t kChunk = 64 * 1024;
constexpr int64_t kRetry = 100'000'000;
constexpr size_t kReservedDescriptors = 128;  // for the container's own streams, execs and engines

/// Two descriptors a connection must fit below the soft limit, which stays as it is: the container inherits it.
size_t connection_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < kReservedDescriptors + 16) return 8;
    return std::min<size_t>(PortForwarder::kConnectionsMax, (limit.rlim_cur - kReservedDescriptors) / 2);
}

char g_chunk[kChunk];  // passes through at once; only what the other side does not take stays with a connection
}  // namespace

/// Two sockets and what each still has to be given.
class PortForwarder::Connection {
public:
    Connection(os::Epoll& epoll, os::Fd client, os::Fd server) : client_(epoll, *this, std::move(client)), server_(epoll, *this, std::move(server)) {}

    bool start(bool connected) {
        server_.connecting = !connected;
        return update();
    }
    bool over() const { return over_; }

private:
    struct Side final : os::EpollHandler {
        Side(os::Epoll& epoll, Connection& owner, os::Fd fd) : connection(owner), socket(std::move(fd)), interest(epoll, *this) {}
        void on_ready(uint32_t events) override { connection.ready(*this, events); }
        Connection& connection;
        os::Fd socket;
        os::EpollInterest interest;
        std::string pending;  ///< to be written to this side
        bool connecting = false, read_ended = false, write_ended = false;
    };

    Side& other(Side& side) { return &side == &client_ ? server_ : client_; }

    void ready(Side& side, uint32_t events) {
        if (side.connecting) {
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(side.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) return end();
            side.connecting = false;
        }
        if ((events & EPOLLERR) || !write_pending(side)) return end();
        if ((events & (EPOLLIN | EPOLLHUP)) && !side.read_ended && !pump(side, other(side))) return end();
        if (client_.write_ended && server_.write_ended) return end();
        if (!update()) end();
    }

    bool write_pending(Side& side) {
        while (!side.pending.empty()) {
            ssize_t put = ::send(side.socket.get(), side.pending.data(), side.pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return errno == EAGAIN;
            side.pending.erase(0, static_cast<size_t>(put));
        }
        side.pending = {};
        return !other(side).read_ended || end_writing(side);
    }

    /// One read from `from`, passed on to `to`.
    bool pump(Side& from, Side& to) {
        if (!to.pending.empty() || to.connecting) return true;
        ssize_t got = ::recv(from.socket.get(), g_chunk, kChunk, MSG_DONTWAIT);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) {
            from.read_ended = true;
            return end_writing(to);
        }
        to.pending.assign(g_chunk, 0);
        ssize_t put = ::send(to.socket.get(), g_chunk, static_cast<size_t>(got), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
        size_t sent = put > 0 ? static_cast<size_t>(put) : 0;
        if (sent < static_cast<size_t>(got)) to.pending.assign(g_chunk + sent, static_cast<size_t>(got) - sent);
        return true;
    }

    bool end_writing(Side& side) {
        if (side.write_ended) return true;
        side.write_ended = true;
        return ::shutdown(side.socket.get(), SHUT_WR) == 0 || errno == ENOTCONN;
    }

    bool update() { return update(client_) && update(server_); }
    bool update(Side& side) {
        Side& target = other(side);
        uint32_t wanted = 0;
        if (side.connecting || !side.pending.empty()) wanted |= EPOLLOUT;
        if (!side.connecting && !side.read_ended && target.pending.empty() && !target.connecting) wanted |= EPOLLIN;
        return side.interest.want(side.socket.get(), wanted).has_value();
    }

    void end() {
        over_ = true;
        client_.interest.leave();
        server_.interest.leave();
    }

    Side client_, server_;
    bool over_ = false;
};

PortForwarder::PortForwarder(os::Epoll& epoll, os::Fd listener) : epoll_(epoll), listener_(std::move(listener)), interest_(epoll, *this) {}
PortForwarder::~PortForwarder() = default;

Result<std::unique_ptr<PortForwarder>> PortForwarder::start(os::Epoll& epoll, os::Fd listener, const std::string& target_address,
                                                    uint16_t target_port) {
    std::unique_ptr<PortForwarder> proxy(new PortForwarder(epoll, std::move(listener)));
    auto v4 = reinterpret_cast<sockaddr_in*>(&proxy->target_);
    auto v6 = reinterpret_cast<sockaddr_in6*>(&proxy->target_);
    if (::inet_pton(AF_INET, target_address.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(target_port);
        proxy->target_size_ = sizeof *v4;
    } else if (::inet_pton(AF_INET6, target_address.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(target_port);
        proxy->target_size_ = sizeof *v6;
    } else {
        return fail(ErrorKind::InvalidArgument, concat("port proxy target is no address: ", target_address));
    }
    proxy->limit_ = connection_limit();
    TRY(os::set_nonblocking(proxy->listener_.get(), true));
    TRY(proxy->interest_.want(proxy->listener_.get(), EPOLLIN));
    return proxy;
}

void PortForwarder::on_ready(uint32_t) {
    auto client = os::accept_connection(listener_.get(), true);
    if (!client && (client.error().number() == EMFILE || client.error().number() == ENFILE)) {
        retry_at_ = monotonic_nanoseconds() + kRetry;
        interest_.leave();
    }
    if (!client) return;
    os::Fd server(::socket(target_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!server) return;
    int on = 1;
    ::setsockopt(client->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool connected = ::connect(server.get(), reinterpret_cast<sockaddr*>(&target_), target_size_) == 0;
    if (!connected && errno != EINPROGRESS) return;  // the client sees its connection closed
    auto connection = std::make_unique<Connection>(epoll_, std::move(*client), std::move(server));
    if (connection->start(connected)) connections_.push_back(std::move(connection));
    update_interest();
}

bool PortForwarder::close_listener() {
    interest_.leave();
    listener_.reset();
    return connections_.empty();
}

void PortForwarder::update_interest() {
    if (!listener_) return;
    (void)interest_.want(listener_.get(), connections_.size() < limit_ ? uint32_t{EPOLLIN} : 0u);
}

void PortForwarder::sweep() {
    const bool some_ended = std::erase_if(connections_, [](auto& connection) { return connection->over(); }) > 0;
    const bool retries = retry_at_ != 0 && monotonic_nanoseconds() >= retry_at_;
    if (retries) retry_at_ = 0;
    if ((some_ended || retries) && retry_at_ == 0) update_interest();
}

}  // namespace proa::shim
