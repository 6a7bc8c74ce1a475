#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "network/namespace.h"
#include "os/fd.h"
#include "resolver/client.h"

namespace proa::engine {

/// The engine's hand on its resolver: starts it when the first container needs names, tells it what changes, and starts it anew when
/// it was killed. Thread-safe.
class NameService {
public:
    /// `program` is proa-resolver's path; its socket stands in the exec root.
    NameService(std::string program, std::string socket_path) : program_(std::move(program)), socket_path_(std::move(socket_path)) {}

    /// A container has started, or joined its first network with names: its namespace's sockets go to the resolver.
    Result<void> add(const resolver::Container& container, int64_t init_pid, network::ResolverSockets sockets);
    /// Its names, addresses or networks are other ones now. Those that are not known are left alone.
    Result<void> change(const resolver::Container& container);
    void remove(const std::string& container_id);
    bool knows(const std::string& container_id) const;

    /// After a boot: `container` runs. Kept by the resolver that goes on, or its sockets are made again by restore().
    void adopt(const resolver::Container& container, int64_t init_pid);
    /// Connects to the resolver of an earlier daemon and makes it know exactly what was adopted.
    void restore();

    /// Makes `combined` (os::combine_readable) tell when the resolver ends; once, before anything else.
    void watch_with(int combined) { combined_ = combined; }
    /// To be called when it tells: looks whether the resolver has ended and starts it again where containers need it.
    void handle_end();
    /// Reaps resolvers that this daemon started and that have ended.
    void reap();

private:
    struct Known {
        resolver::Container container;
        int64_t init_pid = 0;
    };
    Result<void> ensure_running();
    Result<void> send(const Known& known, const network::ResolverSockets& sockets);
    Result<void> register_again(const Known& known);
    void register_all();
    void take_connection(resolver::Connection connection);

    const std::string program_, socket_path_;
    mutable std::mutex mutex_;
    resolver::Connection connection_;
    std::vector<pid_t> children_;
    std::map<std::string, Known> known_;
    int combined_ = -1;
};

}  // namespace proa::engine
