#include "runtime/channel.h"

#include <unistd.h>

#include <cerrno>

#include "base/pack.h"
#include "base/text.h"
#include "os/socket.h"

namespace proa::runtime {

Result<void> Channel::say(Word word, int fd, int32_t number) const {
    Message message{word, 0, number, ""};
    if (fd >= 0) return os::send_message(fd_, pack(message), std::span(&fd, 1));
    return os::write_all(fd_, pack(message));  // write(2): a seccomp profile without it is of no use to any program
}

void Channel::say_failure(const Error& error) const {
    (void)os::write_all(fd_, pack(Message{Word::Failure, static_cast<int32_t>(error.kind()), error.number(), error.message().substr(0, 16384)}));
}

Result<std::optional<Incoming>> Channel::hear() const {
    auto received = os::receive_message(fd_, 32768);
    // A side that ended without reading our last word resets the stream; the reset is told once, before what it had said itself.
    if (!received && received.error().number() == ECONNRESET) received = os::receive_message(fd_, 32768);
    if (!received) return fail(std::move(received).error());
    if (received->data.empty()) return std::optional<Incoming>();
    Incoming incoming;
    incoming.message = TRY(unpack<Message>(received->data));
    if (!received->fds.empty()) incoming.fd = std::move(received->fds[0]);
    return std::optional(std::move(incoming));
}

Result<void> Channel::wait_for_go() const {
    auto incoming = TRY(hear());
    if (!incoming || incoming->message.word != Word::Go) return fail(ErrorKind::Cancelled, "the starter of this container went away");
    return {};
}

Error error_of(const Message& failure) { return Error(static_cast<ErrorKind>(failure.kind), failure.text, failure.number); }

}  // namespace proa::runtime
