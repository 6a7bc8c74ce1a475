#include "resolver/forward.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "resolver/message.h"

namespace proa::resolver {

namespace {
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPatience = kSecond, kDeadline = 8 * kSecond;
constexpr uint16_t kDnsPort = 53;
constexpr size_t kResolvConfBytesMax = 1 << 20;

/// A socket of another network namespace. This program has one thread, so nobody else is moved.
os::Fd open_socket(int family, int type, int network_namespace) {
    if (network_namespace < 0) return os::Fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto own = os::open_file("/proc/self/ns/net", O_RDONLY);
    if (!own || ::setns(network_namespace, CLONE_NEWNET) < 0) return {};
    os::Fd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::setns(own->get(), CLONE_NEWNET) < 0) ::_exit(1);  // never answer from a namespace that is not ours
    return socket;
}
}  // namespace

class Forward::Attempt final : os::EpollHandler {
public:
    Attempt(Forward& owner, os::Fd socket, bool tcp) : owner_(owner), socket_(std::move(socket)), interest_(owner.epoll_, *this), tcp_(tcp) {}

    bool begin(const os::IpAddress& server, const std::string& query) {
        sockaddr_storage address;
        socklen_t size = server.to_socket_address(kDnsPort, address);
        if (!socket_ || (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 && errno != EINPROGRESS)) return false;
        if (!tcp_) return ::send(socket_.get(), query.data(), query.size(), MSG_NOSIGNAL) >= 0 && interest_.want(socket_.get(), EPOLLIN).has_value();
        out_.push_back(static_cast<char>(query.size() >> 8));
        out_.push_back(static_cast<char>(query.size()));
        out_ += query;
        return interest_.want(socket_.get(), EPOLLOUT).has_value();
    }
    void end() {
        interest_.leave();
        socket_.reset();
    }

private:
    void on_ready(uint32_t) override {
        if (!out_.empty()) return on_writable();
        char buffer[kMessageBytesMax];
        ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return failed();
        std::string_view bytes(buffer, static_cast<size_t>(got));
        if (!tcp_) return owner_.on_answer(std::string(bytes));
        in_ += bytes;
        if (in_.size() < 2) return;
        size_t wanted = static_cast<size_t>(static_cast<uint8_t>(in_[0])) << 8 | static_cast<uint8_t>(in_[1]);
        if (in_.size() >= 2 + wanted) owner_.on_answer(in_.substr(2, wanted));
    }
    void on_writable() {
        ssize_t put = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (put < 0) return failed();
        out_.erase(0, static_cast<size_t>(put));
        if (out_.empty() && !interest_.want(socket_.get(), EPOLLIN)) failed();
    }
    void failed() {
        end();
        owner_.on_failure();
    }

    Forward& owner_;
    os::Fd socket_;
    os::EpollInterest interest_;
    bool tcp_;
    std::string out_, in_;
};

Forward::Forward(os::Epoll& epoll, Options options) : epoll_(epoll), options_(std::move(options)), sent_(options_.query) {
    uint16_t id = 0;
    if (::getrandom(&id, sizeof id, 0) == sizeof id) set_message_id(sent_, id);
}

Forward::~Forward() = default;

void Forward::begin(int64_t now) {
    deadline_ = now + kDeadline;
    try_next(now);
}

void Forward::try_next(int64_t now) {
    patience_ = deadline_;
    while (!settled_ && next_server_ < options_.servers.size()) {
        auto& server = options_.servers[next_server_++];
        auto socket = open_socket(server.family(), options_.tcp ? SOCK_STREAM : SOCK_DGRAM, options_.network_namespace);
        auto attempt = std::make_unique<Attempt>(*this, std::move(socket), options_.tcp);
        bool begun = attempt->begin(server, sent_);
        attempts_.push_back(std::move(attempt));
        if (begun) {
            if (next_server_ < options_.servers.size()) patience_ = now + kPatience;
            return;
        }
        failed_++;
    }
    if (failed_ == attempts_.size()) settle(refusal_);
}

void Forward::on_answer(std::string response) {
    if (settled_ || !is_response_to(response, sent_)) return;
    auto code = response_code(response);
    bool refused = code == Rcode::ServerFailure || code == Rcode::Refused || code == Rcode::NotImplemented;
    if (!refused) return settle(std::move(response));
    refusal_ = std::move(response);
    on_failure();
}

void Forward::on_failure() {
    failed_++;
    if (!settled_ && next_server_ < options_.servers.size()) return try_next(monotonic_nanoseconds());
    if (failed_ >= attempts_.size()) settle(refusal_);
}

void Forward::on_time(int64_t now) {
    if (settled_) return;
    if (now >= deadline_) return settle(refusal_);
    if (now >= patience_) try_next(now);
}

void Forward::settle(std::string result) {
    settled_ = true;
    result_ = std::move(result);
    if (!result_.empty()) set_message_id(result_, message_id(options_.query));
    for (auto& attempt : attempts_) attempt->end();
}

std::optional<std::string> Forward::take_result() {
    if (!settled_) return std::nullopt;
    return std::move(result_);
}

const std::vector<os::IpAddress>& HostServers::get(int64_t now) {
    if (looked_ != 0 && now - looked_ < kSecond) return servers_;
    looked_ = now;
    auto status = os::status(path_);
    int64_t modified = status ? status->st_mtim.tv_sec * kSecond + status->st_mtim.tv_nsec : 0;
    int64_t inode = status ? static_cast<int64_t>(status->st_ino) : 0;
    if (modified == modified_ && inode == inode_) return servers_;
    modified_ = modified;
    inode_ = inode;
    servers_.clear();
    auto text = os::read_file(path_, kResolvConfBytesMax);
    if (!text) return servers_;
    for (auto& line : split(*text, '\n')) {
        auto fields = split_fields(line);
        if (fields.size() < 2 || fields[0] != "nameserver") continue;
        if (auto server = os::IpAddress::parse(fields[1])) servers_.push_back(*server);
    }
    return servers_;
}

}  // namespace proa::resolver
