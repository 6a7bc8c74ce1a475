#include "engine/name_service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::engine {

namespace {

bool is_gone(const Error& error) { return error.number() == EPIPE || error.number() == ETIMEDOUT; }

bool has_hung_up(int socket) {
    char byte;
    ssize_t got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

Result<network::ResolverSockets> open_sockets_of(int space) {
    network::ResolverSockets sockets;
    TRY(network::run_inside(space, [&]() -> Result<void> {
        sockets = TRY(network::open_resolver_sockets());
        return {};
    }));
    return sockets;
}

}  // namespace

void NameService::take_connection(resolver::Connection connection) {
    connection_ = std::move(connection);
    if (combined_ >= 0) (void)os::combine_hangup(combined_, connection_.fd());  // else its end is noticed with the next request
}

/// With the lock held.
Result<void> NameService::ensure_running() {
    if (connection_ && !has_hung_up(connection_.fd())) return {};
    auto started = TRY_WRAP("start the resolver", resolver::start_resolver(program_, socket_path_));
    children_.push_back(started.pid);
    take_connection(std::move(started.connection));
    register_all();
    return {};
}

Result<void> NameService::send(const Known& known, const network::ResolverSockets& sockets) {
    os::Fd space = TRY(os::open_file(concat("/proc/", known.init_pid, "/ns/net"), O_RDONLY));
    os::Fd process = TRY(os::open_pidfd(static_cast<pid_t>(known.init_pid)));
    const int fds[] = {sockets.udp.get(), sockets.tcp.get(), space.get(), process.get()};
    TRY(connection_.request({.type = resolver::RequestType::Put, .container = known.container}, fds));
    return {};
}

Result<void> NameService::register_again(const Known& known) {
    os::Fd space = TRY(os::open_file(concat("/proc/", known.init_pid, "/ns/net"), O_RDONLY));
    return send(known, TRY(open_sockets_of(space.get())));
}

/// A new resolver knows nothing. With the lock held.
void NameService::register_all() {
    for (auto& [id, known] : known_) {
        auto registered = register_again(known);
        if (!registered) log::warn(concat("container ", id, " has no name server: ", registered.error().message()));
    }
}

Result<void> NameService::add(const resolver::Container& container, int64_t init_pid, network::ResolverSockets sockets) {
    std::lock_guard lock(mutex_);
    TRY(ensure_running());
    Known known{container, init_pid};
    if (!sockets.udp) {
        os::Fd space = TRY(os::open_file(concat("/proc/", init_pid, "/ns/net"), O_RDONLY));
        sockets = TRY(open_sockets_of(space.get()));
    }
    auto sent = send(known, sockets);
    if (!sent && is_gone(sent.error())) {
        connection_ = {};
        TRY(ensure_running());
        sent = send(known, sockets);
    }
    if (sent) known_[container.id] = std::move(known);
    return sent;
}

Result<void> NameService::change(const resolver::Container& container) {
    std::lock_guard lock(mutex_);
    auto known = known_.find(container.id);
    if (known == known_.end()) return {};
    known->second.container = container;
    TRY(ensure_running());
    auto changed = connection_.request({.type = resolver::RequestType::Put, .container = container});
    if (changed) return {};
    if (changed.error().is(ErrorKind::NotFound)) return register_again(known->second);
    if (!is_gone(changed.error())) return fail(std::move(changed).error());
    connection_ = {};
    return ensure_running();
}

void NameService::remove(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    if (known_.erase(container_id) == 0 || !connection_) return;
    // One that is gone knows no container any more.
    (void)connection_.request({.type = resolver::RequestType::Remove, .container = {.id = container_id}});
}

bool NameService::knows(const std::string& container_id) const {
    std::lock_guard lock(mutex_);
    return known_.contains(container_id);
}

void NameService::adopt(const resolver::Container& container, int64_t init_pid) {
    std::lock_guard lock(mutex_);
    known_[container.id] = Known{container, init_pid};
}

void NameService::restore() {
    std::lock_guard lock(mutex_);
    auto earlier = resolver::Connection::connect(socket_path_);
    if (!earlier) {
        if (known_.empty()) return;
        auto running = ensure_running();
        if (!running) log::error(running.error().message());
        return;
    }
    take_connection(std::move(*earlier));
    auto listed = connection_.request({.type = resolver::RequestType::List});
    if (!listed) {  // of another release: it must make room
        log::warn(concat("the resolver of an earlier daemon is replaced: ", listed.error().message()));
        connection_ = {};
        if (!known_.empty()) (void)ensure_running();
        return;
    }
    for (auto& id : listed->ids)
        if (!known_.contains(id)) (void)connection_.request({.type = resolver::RequestType::Remove, .container = {.id = id}});
    for (auto& [id, known] : known_) {
        auto put = connection_.request({.type = resolver::RequestType::Put, .container = known.container});
        auto done = put ? Result<void>() : register_again(known);
        if (!done) log::warn(concat("container ", id, " has no name server: ", done.error().message()));
    }
}

void NameService::handle_end() {
    std::lock_guard lock(mutex_);
    if (!connection_ || !has_hung_up(connection_.fd())) return;
    connection_ = {};
    if (known_.empty()) return;
    log::warn("the resolver has ended and is started again");
    auto running = ensure_running();
    if (!running) log::error(running.error().message());
}

void NameService::reap() {
    std::lock_guard lock(mutex_);
    std::erase_if(children_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG | __WALL) != 0; });
}

}  // namespace proa::engine
