#include "shim/attachment.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "base/time.h"

namespace proa::shim {

namespace {
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kFlushIdle = 600 * kSecond;  // a client that takes nothing for that long after the end is given up
constexpr int64_t kLinger = 2 * kSecond;
constexpr size_t kFrameBytes = 32 * 1024;  // Docker's copy buffer: no client meets longer frames there
constexpr size_t kInputBytes = 16 * 1024;
}  // namespace

Attachment::Attachment(os::Epoll& epoll, AttachmentOwner& owner, const Attach& settings, os::Fd stream)
    : owner_(owner), stream_(std::move(stream)), interest_(epoll, *this), id_(settings.attach_id),
      detach_keys_(settings.detach_keys), early_bytes_(settings.early_bytes), use_stdin_(settings.use_stdin),
      use_stdout_(settings.use_stdout), use_stderr_(settings.use_stderr), framed_(settings.framed),
      hold_close_(settings.hold_close) {}

void Attachment::start() {
    started_ = true;
    if (!os::set_nonblocking(stream_.get(), true)) return close();
    std::string early = std::move(early_bytes_);
    early_bytes_ = {};
    if (use_stdin_ && !early.empty()) pass_input(early);
    update_interest();
}

void Attachment::send(OutputStream stream, std::string_view bytes) {
    if (state_ != State::Open) return;
    if (!(stream == OutputStream::Stdout ? use_stdout_ : use_stderr_)) return;
    while (!bytes.empty() && state_ == State::Open) {
        std::string_view piece = framed_ ? bytes.substr(0, kFrameBytes) : bytes;
        send_piece(static_cast<uint8_t>(stream), piece);
        bytes.remove_prefix(piece.size());
    }
    update_interest();
}

void Attachment::send_piece(uint8_t stream, std::string_view bytes) {
    auto size = static_cast<uint32_t>(bytes.size());
    char header[8] = {static_cast<char>(stream), 0, 0, 0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                      static_cast<char>(size >> 8), static_cast<char>(size)};
    size_t head = framed_ ? sizeof header : 0;
    size_t sent = 0;
    if (pending_.empty()) {
        iovec parts[2] = {{header, head}, {const_cast<char*>(bytes.data()), bytes.size()}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        ssize_t put;
        do put = ::sendmsg(stream_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (put < 0 && errno == EINTR);
        if (put < 0 && errno != EAGAIN) return close();
        if (put > 0) sent = static_cast<size_t>(put);
    }
    if (sent < head) {
        pending_.append(header + sent, head - sent);
        sent = head;
    }
    pending_.append(bytes.substr(sent - head));
}

void Attachment::flush() {
    while (pending_begin_ < pending_.size()) {
        ssize_t put = ::send(stream_.get(), pending_.data() + pending_begin_, pending_.size() - pending_begin_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) break;
        if (put < 0) return close();
        pending_begin_ += static_cast<size_t>(put);
        if (state_ == State::Flushing) deadline_ = monotonic_nanoseconds() + kFlushIdle;
    }
    if (pending_begin_ == pending_.size()) {
        pending_ = {};
        pending_begin_ = 0;
        if (state_ == State::Flushing) begin_linger();
    } else if (pending_begin_ > kBufferBytes / 2) {
        pending_.erase(0, pending_begin_);
        pending_begin_ = 0;
    }
}

void Attachment::on_ready(uint32_t events) {
    if (state_ == State::Lingering) return read_farewell();
    if (events & EPOLLERR) return close();
    if (events & EPOLLOUT) flush();
    if (state_ == State::Open && use_stdin_ && (events & (EPOLLIN | EPOLLHUP)) && owner_.accepts_input()) {
        read_input();
    } else if ((events & EPOLLHUP) && state_ != State::Closed) {
        return close();  // gone in both directions, with nothing left to read
    }
    if (state_ != State::Closed) update_interest();
}

void Attachment::read_input() {
    char buffer[kInputBytes];
    ssize_t got;
    do got = ::recv(stream_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) return close();
    if (got == 0) return end_input();
    pass_input({buffer, static_cast<size_t>(got)});
}

void Attachment::pass_input(std::string_view bytes) {
    std::string passed;
    bool found = detach_keys_.filter(bytes, passed);
    if (!passed.empty()) owner_.take_input(passed);
    if (!found) return;
    use_stdin_ = false;
    owner_.detached(*this);
    finish();
}

void Attachment::end_input() {
    use_stdin_ = false;
    if (!detach_keys_.held().empty()) owner_.take_input(detach_keys_.held());
    owner_.input_ended(*this);
}

void Attachment::update_interest() {
    if (state_ == State::Closed || !started_) return;
    uint32_t wanted = os::EpollInterest::kOnlyHangup;
    if (!pending_.empty()) wanted |= EPOLLOUT;
    if (state_ == State::Lingering) wanted |= EPOLLIN;
    if (state_ == State::Open && use_stdin_) {
        if (owner_.accepts_input())
            wanted |= EPOLLIN;
        else if (pending_.empty())
            wanted = 0;  // a hang-up must wait until the bytes before it can be read
    }
    if (!interest_.want(stream_.get(), wanted)) return close();
    if (bool now_full = full(); now_full != was_full_) {
        was_full_ = now_full;
        owner_.room_changed();
    }
}

void Attachment::finish() {
    if (state_ != State::Open) return;
    state_ = State::Flushing;
    deadline_ = monotonic_nanoseconds() + kFlushIdle;
    if (pending_.empty()) begin_linger();
    if (state_ != State::Closed) update_interest();
}

/// Closing with unread input would reset the connection and could cost the client output that it has not read yet.
void Attachment::begin_linger() {
    if (::shutdown(stream_.get(), SHUT_WR) < 0) return close();
    state_ = State::Lingering;
    deadline_ = monotonic_nanoseconds() + kLinger;
}

void Attachment::read_farewell() {
    char waste[kInputBytes];
    for (;;) {
        ssize_t got = ::recv(stream_.get(), waste, sizeof waste, MSG_DONTWAIT);
        if (got > 0 || (got < 0 && errno == EINTR)) continue;
        if (got < 0 && errno == EAGAIN) return;
        return close();
    }
}

void Attachment::on_deadline(int64_t now) {
    if (deadline_ != 0 && now >= deadline_) close();
}

void Attachment::abandon() {
    state_ = State::Closed;
    interest_.leave();
    stream_.reset();
}

void Attachment::close() {
    if (state_ == State::Closed) return;
    interest_.leave();
    ::shutdown(stream_.get(), SHUT_RDWR);  // the engine may still hold a copy of the descriptor
    stream_.reset();
    state_ = State::Closed;
    pending_ = {};
    pending_begin_ = 0;
    deadline_ = 0;
    if (was_full_) {
        was_full_ = false;
        owner_.room_changed();
    }
}

}  // namespace proa::shim
