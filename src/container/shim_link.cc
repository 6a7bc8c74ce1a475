#include "container/shim_link.h"

#include <cerrno>

#include "shim/client.h"

namespace proa::container {

namespace {
/// One request on a connection of its own. A shim that ends before or while it is asked is one answer to callers: NotFound.
template <class Body>
Result<shim::Reply> ask(const std::string& state_directory, shim::MessageType type, const Body& body, std::span<const int> fds = {}) {
    auto reply = [&]() -> Result<shim::Reply> {
        auto connection = TRY(shim::Connection::connect(state_directory));
        return connection.request(type, body, fds);
    }();
    if (reply) return reply;
    int number = reply.error().number();
    bool gone = (reply.error().is(ErrorKind::Unavailable) && number == EPIPE) || number == ECONNREFUSED || number == ECONNRESET;
    return gone ? fail(ErrorKind::NotFound, "the container's shim is gone", number) : std::move(reply);
}
}  // namespace

Result<void> signal_init(const std::string& state_directory, int signal) {
    TRY(ask(state_directory, shim::MessageType::Signal, shim::Signal{"", signal}));
    return {};
}

Result<void> signal_exec(const std::string& state_directory, const std::string& exec_id, int signal) {
    TRY(ask(state_directory, shim::MessageType::Signal, shim::Signal{exec_id, signal}));
    return {};
}

Result<void> resize(const std::string& state_directory, const std::string& exec_id, uint16_t height, uint16_t width) {
    TRY(ask(state_directory, shim::MessageType::Resize, shim::Resize{exec_id, height, width}));
    return {};
}

Result<void> attach(const std::string& state_directory, const shim::Attach& attach, const os::Fd& stream) {
    int fds[] = {stream.get()};
    TRY(ask(state_directory, shim::MessageType::Attach, attach, fds));
    return {};
}

Result<void> change_ports(const std::string& state_directory, const shim::ChangePorts& change, std::span<const int> fds) {
    TRY(ask(state_directory, shim::MessageType::ChangePorts, change, fds));
    return {};
}

Result<int64_t> start_exec(const std::string& state_directory, const shim::Exec& exec, const runtime::ExecPlan& plan, const os::Fd& stream) {
    os::Fd packed = TRY(os::sealed_memfd("proa-exec-plan", pack(plan)));
    int fds[] = {packed.get(), stream.get()};
    auto reply = TRY(ask(state_directory, shim::MessageType::Exec, exec, std::span(fds).first(stream ? 2 : 1)));
    return static_cast<int64_t>(reply.pid);
}

}  // namespace proa::container
