#include "shim/client.h"

#include <fcntl.h>

#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"

namespace proa::shim {

Result<Connection> Connection::connect(const std::string& state_directory) {
    return Connection(TRY(os::connect_unix(socket_path(state_directory), os::SocketType::SeqPacket)));
}

namespace {
Unexpected gone() { return fail(ErrorKind::Unavailable, "the container's shim is gone", EPIPE); }

int remaining_ms(int64_t deadline) {
    int64_t left = (deadline - monotonic_nanoseconds()) / 1'000'000;
    return left > 0 ? static_cast<int>(left) : 0;
}
}  // namespace

Result<Reply> Connection::request(MessageType type, std::string body, std::span<const int> fds, int timeout_ms) {
    Request message{type, ++sequence_, std::move(body)};
    std::string bytes = pack(message);
    if (bytes.size() > kMessageBytesMax) return fail(ErrorKind::InvalidArgument, "the message to the shim is too large");
    auto sent = os::send_message(socket_.get(), bytes, fds);
    if (!sent && (sent.error().number() == EPIPE || sent.error().number() == ECONNRESET)) return gone();
    if (!sent) return fail(std::move(sent).error());
    const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        auto answer = TRY(receive(timeout_ms < 0 ? -1 : remaining_ms(deadline)));
        if (!answer) return fail(ErrorKind::Unavailable, "the container's shim does not answer", ETIMEDOUT);
        if (answer->type == MessageType::Event) {
            events_.push_back(TRY(unpack<Event>(answer->body)));
        } else if (answer->sequence == message.sequence) {
            Reply reply = TRY(unpack<Reply>(answer->body));
            if (reply.good) return reply;
            return fail(static_cast<ErrorKind>(reply.error_kind), std::move(reply.error_message), reply.error_number);
        }
        // Else the late reply to a request that was given up.
    }
}

Result<std::optional<Event>> Connection::receive_event(int timeout_ms) {
    while (events_.empty()) {
        auto message = TRY(receive(timeout_ms));
        if (!message) return std::optional<Event>();
        if (message->type == MessageType::Event) events_.push_back(TRY(unpack<Event>(message->body)));
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return std::optional<Event>(std::move(event));
}

/// The next message of either kind, nothing after the time.
Result<std::optional<Request>> Connection::receive(int timeout_ms) {
    if (!TRY(os::wait_readable(socket_.get(), timeout_ms))) return std::optional<Request>();
    auto message = os::receive_message(socket_.get(), kMessageBytesMax);
    if (!message && message.error().number() == ECONNRESET) return gone();
    if (!message) return fail(std::move(message).error());
    if (message->data.empty()) return gone();
    return std::optional<Request>(TRY(unpack<Request>(message->data)));
}

Result<os::Fd> open_shim_binary(const std::string& path) {
    auto memory = os::sealed_memfd("proa-shim", TRY(os::read_file(path)), true);
    if (memory) return memory;
    return os::open_file(path, O_RDONLY);  // vm.memfd_noexec=2 allows no programs in memfds
}

Result<StartedShim> start_shim(int shim_binary, const std::string& pool_cgroup_path) {
    auto pair = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    std::vector<std::string> arguments = {"proa-shim"};
    if (!pool_cgroup_path.empty()) arguments.insert(arguments.end(), {"--pool-cgroup", pool_cgroup_path});
    // Room behind the arguments in which the shim shows its container's id.
    auto spawned = TRY(os::spawn_program(shim_binary, arguments, {"PROA_SHIM=" + std::string(80, ' ')}, pair.second.get()));
    StartedShim started;
    started.pid = spawned.pid;
    started.pidfd = std::move(spawned.pidfd);
    started.connection = Connection(std::move(pair.first));
    return started;
}

}  // namespace proa::shim
