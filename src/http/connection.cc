#include "http/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "http/run_handler.h"

namespace proa::http {

namespace {
constexpr size_t kReadSize = 16 << 10;
constexpr int kLingerMs = 500;
constexpr size_t kLingerBytes = 4 << 20;

Unexpected socket_failure(std::string_view call) {
    int number = errno;
    if (number == EPIPE || number == ECONNRESET || number == ETIMEDOUT)
        return fail(ErrorKind::Cancelled, "the client went away", number);
    return fail(errno_error(call, {}, number));
}
}  // namespace

Connection::Connection(os::Fd socket, PeerKind peer, size_t head_limit_bytes)
    : socket_(std::move(socket)), peer_(std::move(peer)), head_limit_(head_limit_bytes) {}

std::span<char> Connection::room() {
    if (start_ > 0 && start_ == input_.size()) {
        input_.clear();
        start_ = 0;
    } else if (start_ > kReadSize) {
        input_.erase(0, start_);
        start_ = 0;
    }
    size_t have = input_.size();
    input_.resize(have + kReadSize);
    return std::span(input_).subspan(have);
}

Connection::Fill Connection::fill_without_blocking() {
    auto space = room();
    size_t have = input_.size() - space.size();
    ssize_t got;
    do got = ::recv(fd(), space.data(), space.size(), MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    input_.resize(have + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got > 0) return Fill::Some;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Fill::Nothing : Fill::End;
}

Connection::Head Connection::advance_head() {
    for (;;) {
        if (!read_ahead().empty()) {
            if (!parser_) parser_.emplace(head_limit_);
            auto consumed = parser_->take_head(read_ahead());
            if (!consumed) {
                refusal_ = std::move(consumed).error();
                return Head::Refused;
            }
            if (*consumed > 0) head_bytes_taken_ = true;
            consume(*consumed);
            if (parser_->head_done()) return Head::Ready;
        }
        switch (fill_without_blocking()) {
            case Fill::Some: break;
            case Fill::Nothing: return Head::Partial;
            case Fill::End: return Head::Closed;
        }
    }
}

bool Connection::has_partial_head() const { return head_bytes_taken_ || !read_ahead().empty(); }

void Connection::send_refusal() {
    auto line = concat(refusal_.status, ' ', status_text(refusal_.status));
    auto reason = refusal_.reason.empty() ? std::string() : concat(": ", refusal_.reason);
    auto body = concat(line, reason);
    if (refusal_.status == 501) body = refusal_.reason, reason.clear();
    auto sent = send(concat("HTTP/1.1 ", line, reason,
                            "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n", body));
    if (sent) linger();
}

void Connection::next_request() {
    served_++;
    parser_.reset();
    head_bytes_taken_ = false;
    if (!read_ahead().empty()) return;
    start_ = 0;
    if (input_.capacity() > kReadSize * 2) std::string().swap(input_);
    else input_.clear();
}

void Connection::consume(size_t bytes) { start_ += bytes; }

Result<size_t> Connection::read_direct(std::span<char> buffer) {
    for (;;) {
        ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), 0);
        if (got >= 0) return static_cast<size_t>(got);
        if (errno != EINTR) return socket_failure("recv");
    }
}

Result<size_t> Connection::read_more() {
    auto space = room();
    size_t have = input_.size() - space.size();
    auto got = read_direct(space);
    input_.resize(have + got.value_or(0));
    return got;
}

Result<void> Connection::send(std::span<const std::string_view> pieces) {
    iovec parts[4];
    size_t count = 0;
    for (auto piece : pieces)
        if (!piece.empty() && count < std::size(parts)) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    size_t first = 0;
    while (first < count) {
        msghdr message{};
        message.msg_iov = parts + first;
        message.msg_iovlen = count - first;
        ssize_t put = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
        if (put < 0) {
            if (errno == EINTR) continue;
            return socket_failure("sendmsg");
        }
        auto done = static_cast<size_t>(put);
        while (first < count && done >= parts[first].iov_len) done -= parts[first++].iov_len;
        if (first < count) {
            parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + done;
            parts[first].iov_len -= done;
        }
    }
    return {};
}

void Connection::linger() {
    // A close with unread input resets a TCP connection, and the reset may overtake the answer.
    ::shutdown(fd(), SHUT_WR);
    int64_t deadline = monotonic_nanoseconds() + int64_t{kLingerMs} * 1000000;
    char sink[4096];
    for (size_t total = 0; total < kLingerBytes;) {
        auto left_ms = (deadline - monotonic_nanoseconds()) / 1000000;
        if (left_ms <= 0) return;
        auto ready = os::wait_readable(fd(), static_cast<int>(left_ms));
        if (!ready || !*ready) return;
        ssize_t got = ::recv(fd(), sink, sizeof sink, MSG_DONTWAIT);
        if (got <= 0) return;
        total += static_cast<size_t>(got);
    }
}

Hijacked Connection::take() {
    if (before_take_) before_take_();
    return {std::move(socket_), std::string(read_ahead())};
}

void serve_connection(os::Fd socket, const Handler& handler) {
    Connection connection(std::move(socket), PeerKind{}, 1 << 20);
    for (;;) {
        switch (connection.advance_head()) {
            case Connection::Head::Closed: return;
            case Connection::Head::Refused: return connection.send_refusal();
            case Connection::Head::Partial: {
                auto ready = os::wait_readable(connection.fd(), -1);
                if (!ready) return;
                break;
            }
            case Connection::Head::Ready:
                if (!run_handler(connection, handler)) return;
                break;
        }
    }
}

}  // namespace proa::http
