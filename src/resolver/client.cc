#include "resolver/client.h"

#include <fcntl.h>

#include <cerrno>

#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"

namespace proa::resolver {

namespace {
constexpr int kTimeoutMs = 10'000;
Unexpected gone() { return fail(ErrorKind::Unavailable, "the resolver is gone", EPIPE); }
}  // namespace

Result<Connection> Connection::connect(const std::string& socket_path) {
    return Connection(TRY(os::connect_unix(socket_path, os::SocketType::SeqPacket)));
}

Result<Reply> Connection::request(const Request& request, std::span<const int> fds) {
    if (!socket_) return gone();
    std::string bytes = pack(request);
    if (bytes.size() > kControlBytesMax) return fail(ErrorKind::InvalidArgument, "the message to the resolver is too large");
    auto sent = os::send_message(socket_.get(), bytes, fds);
    if (!sent && (sent.error().number() == EPIPE || sent.error().number() == ECONNRESET)) return gone();
    if (!sent) return fail(std::move(sent).error());
    if (!TRY(os::wait_readable(socket_.get(), kTimeoutMs))) return fail(ErrorKind::Unavailable, "the resolver does not answer", ETIMEDOUT);
    auto message = os::receive_message(socket_.get(), kControlBytesMax);
    if (!message && message.error().number() == ECONNRESET) return gone();
    if (!message) return fail(std::move(message).error());
    if (message->data.empty()) return gone();
    Reply reply = TRY(unpack<Reply>(message->data));
    if (reply.error_message.empty()) return reply;
    return fail(static_cast<ErrorKind>(reply.error_kind), std::move(reply.error_message));
}

Result<Started> start_resolver(const std::string& path, const std::string& socket_path) {
    auto pair = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    os::Fd binary = TRY(os::open_file(path, O_RDONLY));
    auto spawned = TRY(os::spawn_program(binary.get(), {"proa-resolver", socket_path}, {}, pair.second.get()));
    return Started{spawned.pid, Connection(std::move(pair.first))};
}

}  // namespace proa::resolver
