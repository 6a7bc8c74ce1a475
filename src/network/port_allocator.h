#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "network/firewall.h"
#include "os/fd.h"

namespace proa::network {

struct PortRequest {
    Protocol protocol = Protocol::Tcp;
    uint16_t container_port = 0;
    std::optional<os::IpAddress> host_ip;  ///< nullopt: every address, IPv4 and IPv6 (two reservations of one number)
    uint16_t first = 0, last = 0;          ///< the range of host ports, `last` 0: only `first`; both 0: any ephemeral one
    uint16_t count = 1;                    ///< so many ports from `first` on, all of them or none; only without sockets
};

/// A host port that is ours: other processes cannot bind it as long as the socket is open. Without sockets also a range.
struct ReservedPort {
    Protocol protocol = Protocol::Tcp;
    os::IpAddress host_ip;
    uint16_t host_port = 0;
    uint16_t container_port = 0;
    uint16_t count = 1;
    /// Bound, non-blocking, IPv6 ones IPV6_V6ONLY, TCP ones listening; none with BusyPorts. The container's shim holds it (and accepts on it where
    /// Publication::needs_proxy). Empty only for SCTP on a kernel that has no SCTP sockets.
    os::Fd socket;

    Publication publication(const os::IpAddress& container_ip) const {
        return {protocol, host_ip, host_port, container_ip, container_port, count};
    }
};

/// The local ports in use at one moment, from /proc/net. man: proc(5)
class BusyPorts {
public:
    static BusyPorts read();
    /// Those of [first, last] that somebody has on any address.
    std::vector<uint16_t> within(Protocol protocol, uint16_t first, uint16_t last) const;

private:
    std::set<std::pair<Protocol, uint16_t>> ports_;
};

/// Host ports of one network namespace. Thread-safe. Memory only: restore() tells it after a restart what running containers'
/// shims hold.
class PortAllocator {
public:
    /// Finds and binds a port. For a request without host_ip the same number on IPv4 and IPv6; IPv6 is left out where the host
    /// has none. Errors, as Docker words them: "Bind for 0.0.0.0:8080 failed: port is already allocated" (by us), "failed to
    /// bind host port 0.0.0.0:8080/tcp: address already in use (held by nginx, process 71)", "all ports are allocated".
    /// With `busy` no sockets are made, for containers with very many ports: then only our rules hold them.
    Result<std::vector<ReservedPort>> reserve(const PortRequest& request, const BusyPorts* busy = nullptr);

    void restore(Protocol protocol, const os::IpAddress& host_ip, uint16_t host_port, uint16_t count = 1);
    /// The caller has closed the sockets or their holder has ended. No error when it is free.
    void release(Protocol protocol, const os::IpAddress& host_ip, uint16_t host_port, uint16_t count = 1);

private:
    using Ranges = std::map<uint16_t, uint16_t>;  ///< first and last; disjoint
    static void cut_out(Ranges& ranges, uint16_t first, uint16_t last);
    /// The first port of [first, last] that is taken on `ip` or in its way.
    std::optional<uint16_t> first_allocated(Protocol protocol, const os::IpAddress& ip, uint16_t first, uint16_t last) const;
    Result<std::vector<ReservedPort>> try_port(const PortRequest& request, uint16_t port, const BusyPorts* busy);
    Result<std::vector<ReservedPort>> try_ephemeral(const PortRequest& request, const BusyPorts* busy);

    std::mutex mutex_;
    std::map<std::pair<Protocol, os::IpAddress>, Ranges> allocated_;
    std::map<Protocol, uint16_t> previous_;  ///< last ephemeral one given out
};

/// Who holds a port: "nginx, process 71", or nullopt when /proc does not tell (another namespace, no permission).
std::optional<std::string> port_holder(Protocol protocol, uint16_t port);

}  // namespace proa::network
