#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "container/record.h"
#include "network/firewall.h"
#include "network/port_allocator.h"
#include "os/fd.h"
#include "shim/protocol.h"

namespace proa::engine {

/// What a container's published ports consist of: the shim holds the sockets.
struct PublishedPorts {
    docker::PortMap ports;
    std::vector<os::Fd> held;                         ///< bound host ports
    std::vector<os::Fd> proxied;                      ///< listening IPv6 sockets, one for each of `proxies`
    std::vector<shim::PortProxy> proxies;             ///< descriptor is filled in by the launch
};

/// Where published ports lead.
struct PortTarget {
    os::IpAddress address, address6;   ///< none: no address of that family
    os::IpAddress host_binding;        ///< for bindings without a host address; none: the daemon's
    std::string endpoint_id;
};

/// Host ports and the rules that lead them into containers. Thread-safe.
class PortPublisher {
public:
    /// `firewall` may be nullptr (--iptables=false): then ports are held and nothing is forwarded by the kernel.
    PortPublisher(network::Firewall* firewall, os::IpAddress default_host_ip) : firewall_(firewall), default_host_ip_(default_host_ip) {}

    /// All ports of the container or none. Without a target exposed ports are listed and nothing is published.
    /// Errors: Internal with Docker's "driver failed programming external connectivity on endpoint ..." when a port is taken.
    Result<PublishedPorts> publish(const container::Record& record, const std::optional<PortTarget>& target);
    void withdraw(const std::string& container_id);
    /// Further ports of a running container: all or none. Errors: as publish().
    Result<PublishedPorts> add(const container::Record& record, const docker::PortMap& wanted, const PortTarget& target);
    /// Withdraws some of a container's ports ("80/tcp", as the container has them) and says which host sides they had, as the shim knows them.
    Result<std::vector<std::string>> remove(const std::string& container_id, const std::vector<std::string>& ports);
    /// All ports of one container lead into another one from now on, on the same host sides and in one step; what they are now. The sockets that
    /// hold them stay where they are: close them, then hold_again().
    Result<std::vector<network::Publication>> hand_over(const std::string& from, const std::string& to, const PortTarget& target);
    /// Sockets for ports that are ours, after their holder has closed its own. What cannot be bound any more is held by the rules alone; the log says so.
    PublishedPorts hold_again(const std::vector<network::Publication>& publications);
    /// The container's address has changed; its sockets stay.
    Result<void> move(const std::string& container_id, const PortTarget& target);
    /// Takes over what a running container of an earlier daemon has; the rules come with Networks::reconcile().
    Result<void> adopt(const container::Record& record, const PortTarget& target);
    std::vector<network::Publication> all() const;

private:
    /// All or none. What was reserved stands in `publications`, for the container's entry.
    Result<PublishedPorts> publish_all(const docker::PortMap& wanted, const std::optional<PortTarget>& target, std::vector<network::Publication>& publications);
    Result<void> publish_run(const docker::PortRun& run, const PortTarget& target, PublishedPorts& out, std::vector<network::Publication>& publications,
                             const network::BusyPorts* busy);
    /// One binding of a run; returns the host sides of the run's first port.
    Result<std::vector<docker::PortBinding>> publish_one(const docker::PortRun& run, const docker::PortBinding& binding, const PortTarget& target,
                                                         PublishedPorts& out, std::vector<network::Publication>& publications, const network::BusyPorts* busy);
    void give_back(const std::vector<network::Publication>& publications);

    network::Firewall* firewall_;
    os::IpAddress default_host_ip_;
    network::PortAllocator ports_;
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<network::Publication>> by_container_;
};

}  // namespace proa::engine
