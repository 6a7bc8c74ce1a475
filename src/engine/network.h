#pragma once
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "engine/network_options.h"
#include "network/bridge_network.h"
#include "schema/docker/system.h"

namespace proa::engine {

/// What networks.db keeps of one network, as JSON (docs/formats/records.md).
struct NetworkRecord {
    docker::Network shown;      ///< as inspect shows it, without containers; chosen subnets are filled in
    bool own_subnet = false;    ///< the user gave the IPv4 subnet
    bool own_subnet6 = false;
};

enum class NetworkDriver { Bridge, Host, None, Macvlan, Ipvlan, Configuration };

/// One network: its record and what makes it up while the daemon runs. Thread-safe.
class Network {
public:
    Network(NetworkRecord record, NetworkDriver driver) : record_(std::move(record)), driver_(driver) {}

    const NetworkRecord& record() const { return record_; }
    const docker::Network& shown() const { return record_.shown; }
    const std::string& id() const { return record_.shown.id; }
    const std::string& name() const { return record_.shown.name; }
    NetworkDriver driver() const { return driver_; }
    bool internal() const { return record_.shown.internal; }
    bool is_predefined() const { return name() == "bridge" || name() == "host" || name() == "none"; }
    bool is_default_bridge() const { return name() == "bridge"; }
    /// Names are answered at 127.0.0.11.
    bool has_names() const { return !is_predefined(); }

    /// The kernel's side; set once before the network is shared.
    struct Live {
        std::unique_ptr<network::BridgeNetwork> bridge;    ///< driver bridge
        std::unique_ptr<network::AddressSpace> addresses;  ///< macvlan, ipvlan
        BridgeDriverOptions options;
        ParentDriverOptions parent;
        std::string failure;  ///< why it could not be brought up at boot; attaching fails with it
    };
    void set_live(Live live) { live_ = std::move(live); }
    const Live& live() const { return live_; }
    /// nullptr: host, none.
    network::AddressSpace* addresses() const { return live_.bridge ? &live_.bridge->addresses() : live_.addresses.get(); }

    /// A container takes part. Errors: NotFound once the network has been retired.
    Result<void> enter(const std::string& container_id);
    void leave(const std::string& container_id);
    bool is_used() const;
    /// No container may enter any more. Errors: Forbidden when one takes part, NotFound the second time.
    Result<void> retire();

private:
    const NetworkRecord record_;
    const NetworkDriver driver_;
    Live live_;
    mutable std::mutex mutex_;
    std::set<std::string> containers_;
    bool retired_ = false;
};

using NetworkPointer = std::shared_ptr<Network>;

}  // namespace proa::engine

PROA_JSON_DECLARE(proa::engine::NetworkRecord)
