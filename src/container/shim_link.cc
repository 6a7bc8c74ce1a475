#include "container/shim_link.h"

#include "shim/client.h"

namespace proa::container {

Result<void> signal_init(const std::string& state_directory, int signal) {
    auto connection = TRY(shim::Connection::connect(state_directory));
    TRY(connection.request(shim::MessageType::Signal, shim::Signal{"", signal}));
    return {};
}

Result<void> resize(const std::string& state_directory, const std::string& exec_id, uint16_t height, uint16_t width) {
    auto connection = TRY(shim::Connection::connect(state_directory));
    TRY(connection.request(shim::MessageType::Resize, shim::Resize{exec_id, height, width}));
    return {};
}

Result<void> attach(const std::string& state_directory, const shim::Attach& attach, const os::Fd& stream) {
    auto connection = TRY(shim::Connection::connect(state_directory));
    int fds[] = {stream.get()};
    TRY(connection.request(shim::MessageType::Attach, attach, fds));
    return {};
}

Result<int64_t> start_exec(const std::string& state_directory, const shim::Exec& exec, const runtime::ExecPlan& plan, const os::Fd& stream) {
    auto connection = TRY(shim::Connection::connect(state_directory));
    os::Fd packed = TRY(os::sealed_memfd("proa-exec-plan", pack(plan)));
    int fds[] = {packed.get(), stream.get()};
    auto reply = TRY(connection.request(shim::MessageType::Exec, exec, std::span(fds).first(stream ? 2 : 1)));
    return static_cast<int64_t>(reply.pid);
}

}  // namespace proa::container
