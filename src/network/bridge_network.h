#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/address_pool.h"
#include "network/bridge.h"
#include "network/sandbox.h"

namespace proa::network {

struct NetworkOptions {
    BridgeOptions bridge;
    std::optional<os::IpPrefix> range, range6;              ///< --fixed-cidr, --fixed-cidr-v6, --ip-range
    std::optional<os::IpAddress> default_gateway, default_gateway6;  ///< --default-gateway: another router than the bridge
    std::vector<os::IpAddress> reserved;                    ///< --aux-address
};

struct AddressRequest {
    std::optional<os::IpAddress> address, address6;         ///< --ip, --ip6; nullopt: the next free one
    std::optional<os::MacAddress> mac;
};

/// The addresses of one network, IPv4, IPv6 or both: who has which. Thread-safe.
class AddressSpace {
public:
    struct Options {
        os::IpPrefix subnet, subnet6;                       ///< none: the network has no addresses of that family
        std::optional<os::IpPrefix> range, range6;
        std::vector<os::IpAddress> taken;                   ///< gateways and auxiliary addresses
        os::IpAddress gateway, gateway6;                    ///< what containers get as their router; none on internal networks
    };
    static Result<std::unique_ptr<AddressSpace>> create(const Options& options);

    /// Takes addresses for `owner` (a container id): all or nothing. The result is ready for configure(). Errors: those of AddressPool.
    Result<Endpoint> allocate(const std::string& owner, const AddressRequest& request = {});
    /// What a record says a running container has.
    Result<void> restore(const std::string& owner, const Endpoint& endpoint);
    void release(const Endpoint& endpoint);
    const os::IpPrefix& subnet() const { return options_.subnet; }
    const os::IpPrefix& subnet6() const { return options_.subnet6; }

private:
    explicit AddressSpace(Options options) : options_(std::move(options)) {}
    Options options_;
    std::optional<AddressPool> pool_, pool6_;
};

/// A bridge with its addresses: what the engine keeps for each network of driver "bridge". Thread-safe.
class BridgeNetwork {
public:
    /// Brings the bridge up (ensure_bridge) and opens its address pools; the gateway and `reserved` are taken.
    /// Without an address for the bridge but with a range, the range is the subnet, as in Docker.
    static Result<std::unique_ptr<BridgeNetwork>> create(os::NetlinkSocket& host, const NetworkOptions& options);

    /// As AddressSpace's. Internal networks give no gateway.
    Result<Endpoint> allocate(const std::string& owner, const AddressRequest& request = {}) { return addresses_->allocate(owner, request); }
    Result<void> restore(const std::string& owner, const Endpoint& endpoint) { return addresses_->restore(owner, endpoint); }
    void release(const Endpoint& endpoint) { addresses_->release(endpoint); }

    const Bridge& bridge() const { return bridge_; }
    AddressSpace& addresses() { return *addresses_; }

private:
    BridgeNetwork(Bridge bridge, std::unique_ptr<AddressSpace> addresses) : bridge_(std::move(bridge)), addresses_(std::move(addresses)) {}
    Bridge bridge_;
    std::unique_ptr<AddressSpace> addresses_;
};

}  // namespace proa::network
