#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/name_service.h"
#include "engine/network.h"
#include "engine/paths.h"
#include "engine/port_publisher.h"
#include "network/firewall.h"
#include "network/sandbox.h"
#include "store/records.h"

namespace proa::engine {

struct Settings;

/// All networks of this engine and the equipment that they share. Thread-safe.
class Networks {
public:
    /// Loads the records and brings every network up; one that fails keeps its record and says why when it is used.
    /// `owner` not empty: the namespaces of containers belong to user namespaces with these maps.
    static Result<std::unique_ptr<Networks>> open(const Settings& settings, const Paths& paths, os::IdMaps owner = {});
    ~Networks();

    /// By name, id or the start of an id (3 digits). Errors: NotFound "network x not found".
    Result<NetworkPointer> find(const std::string& name) const;
    std::vector<NetworkPointer> all() const;  ///< by creation
    NetworkPointer default_bridge() const;    ///< nullptr with --bridge none

    /// Chooses missing subnets, makes the bridge and keeps the record: 201 after it means it survives. Errors: Conflict (name), Forbidden
    /// (overlap), those of the kernel.
    Result<NetworkPointer> add(NetworkRecord record);
    /// Errors: Forbidden (used).
    Result<void> remove(const NetworkPointer& network);

    /// Takes every network of ours out of the kernel, and our packet filter. Records stay; nothing may be attached any more.
    Result<void> take_down_all();

    /// After the running containers' endpoints have been restored: the kernel's rules become exactly those of the records, host ends of
    /// veth pairs that are none of `interfaces` go, and ready namespaces are prepared.
    Result<void> reconcile(const std::vector<std::string>& interfaces);

    PortPublisher& ports() { return *ports_; }
    NameService& names() { return *names_; }
    /// A namespace with an interface on the default bridge, or one with lo only: with the resolver's sockets or without.
    network::NamespacePool& bridge_pool() { return *bridge_pool_; }
    network::NamespacePool& named_pool() { return *named_pool_; }
    network::NamespacePool& bare_pool() { return *bare_pool_; }
    /// Runs `work` with a rtnetlink socket of the host's namespace.
    Result<void> with_host(const std::function<Result<void>(os::NetlinkSocket&)>& work);
    /// Of the bridges, and what other firewalls do to them now, each with the remedy.
    std::vector<std::string> warnings() const;
    std::vector<std::string> warnings_of(const Network& network) const;

    /// Readable when the packet filter or the resolver needs attention.
    int watch_fd() const { return watch_.get(); }
    void handle_changes();

    static constexpr const char* kInterfacePrefix = "vethp";  ///< of host ends, then the first 8 digits of the endpoint's id

private:
    static constexpr size_t kReadyBridge = 4, kReadyNamed = 3;

    Networks() = default;
    Result<void> load(const Settings& settings);
    Result<NetworkPointer> make_default_bridge(const Settings& settings, NetworkRecord record);
    Result<void> make_pools();
    Result<Network::Live> bring_up(NetworkRecord& record, NetworkDriver driver);
    Result<Network::Live> bring_up_bridge(NetworkRecord& record);
    Result<Network::Live> bring_up_parent(NetworkRecord& record);
    Result<void> choose_addresses(NetworkRecord& record, IpamPlan& plan);
    Result<void> check_overlap(const os::IpPrefix& subnet) const;
    Result<void> save(const NetworkRecord& record);
    std::vector<os::IpPrefix> subnets() const;
    Result<void> take_down(const Network& network);

    mutable std::mutex mutex_;  ///< for networks_
    std::vector<NetworkPointer> networks_;
    std::mutex change_mutex_;  ///< one add or remove at a time; for records_
    std::optional<store::Records> records_;
    std::mutex host_mutex_;  ///< for host_
    os::NetlinkSocket host_;
    std::vector<network::SubnetPool> subnet_pools_;
    uint32_t default_mtu_ = 1500;
    bool ip_forward_ = true;
    os::IdMaps owner_;
    std::unique_ptr<network::Firewall> firewall_;  ///< nullptr: --iptables=false
    std::unique_ptr<PortPublisher> ports_;
    std::unique_ptr<NameService> names_;
    std::unique_ptr<network::NamespacePool> bridge_pool_, named_pool_, bare_pool_;
    os::Fd watch_;
};

network::FirewallBridge firewall_bridge(const Network& network);

/// `network create`'s driver names.
std::optional<NetworkDriver> network_driver(std::string_view name);

}  // namespace proa::engine
