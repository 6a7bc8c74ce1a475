#include "shim/engine_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace proa::shim {

Reply good_reply(int32_t pid) {
    Reply reply;
    reply.pid = pid;
    return reply;
}

Reply error_reply(const Error& error) {
    Reply reply;
    reply.good = false;
    reply.error_kind = static_cast<uint8_t>(error.kind());
    reply.error_number = error.number();
    reply.error_message = error.message().substr(0, kMessageBytesMax / 2);
    return reply;
}

EngineConnection::EngineConnection(os::Epoll& epoll, RequestHandler& handler, os::Fd socket)
    : handler_(handler), socket_(std::move(socket)), interest_(epoll, *this) {}

Result<void> EngineConnection::start() {
    TRY(os::set_nonblocking(socket_.get(), true));
    return interest_.want(socket_.get(), EPOLLIN);
}

bool EngineConnection::peer_gone() const {
    pollfd entry{socket_.get(), POLLRDHUP, 0};
    return closed() || (::poll(&entry, 1, 0) > 0 && entry.revents != 0);
}

void EngineConnection::on_ready(uint32_t events) {
    if (events & EPOLLOUT) flush();
    if (!closed() && (events & EPOLLIN)) return receive();
    if (!closed() && (events & (EPOLLHUP | EPOLLERR))) close();
}

void EngineConnection::receive() {
    char probe;
    ssize_t size = ::recv(socket_.get(), &probe, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || static_cast<size_t>(size) > kMessageBytesMax) return close();
    auto message = os::receive_message(socket_.get(), static_cast<size_t>(size));
    if (!message && message.error().number() == EAGAIN) return;
    if (!message || message->data.empty()) return close();
    auto request = unpack<Request>(message->data);
    if (!request || request->type == MessageType::Reply || request->type == MessageType::Event) return close();
    handler_.handle(*this, *request, std::move(message->fds));
}

void EngineConnection::reply(uint64_t sequence, Reply reply) { send({MessageType::Reply, sequence, pack(reply)}); }

void EngineConnection::send_event(const Event& event) { send({MessageType::Event, 0, pack(event)}); }

void EngineConnection::send(Request message) {
    if (closed()) return;
    queue_.push_back(pack(message));
    if (queue_.size() == 1) flush();
    if (queue_.size() > kQueueMax) close();
}

void EngineConnection::flush() {
    while (!queue_.empty()) {
        auto sent = os::send_message(socket_.get(), queue_.front());
        if (!sent && sent.error().number() == EAGAIN) break;
        if (!sent) return close();
        queue_.pop_front();
    }
    if (!interest_.want(socket_.get(), queue_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT)) close();
}

void EngineConnection::close() {
    interest_.leave();
    socket_.reset();
    queue_.clear();
}

}  // namespace proa::shim
