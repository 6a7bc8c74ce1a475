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

/// A bridge with its addresses: what the engine keeps for each network of driver "bridge". Thread-safe.
class BridgeNetwork {
public:
    /// Brings the bridge up (ensure_bridge) and opens its address pools; the gateway and `reserved` are taken.
    /// Without an address for the bridge but with a range, the range is the subnet, as in Docker.
    static Result<std::unique_ptr<BridgeNetwork>> create(os::NetlinkSocket& host, const NetworkOptions& options);

    /// Takes addresses for `owner` (a container id): all or nothing. The result is ready for configure(). Internal networks give
    /// no gateway. Errors: those of AddressPool.
    Result<Endpoint> allocate(const std::string& owner, const AddressRequest& request = {});
    /// What a record says a running container has.
    Result<void> restore(const std::string& owner, const Endpoint& endpoint);
    void release(const Endpoint& endpoint);

    const Bridge& bridge() const { return bridge_; }

private:
    explicit BridgeNetwork(Bridge bridge, AddressPool pool) : bridge_(std::move(bridge)), pool_(std::move(pool)) {}
    Bridge bridge_;
    AddressPool pool_;
    std::optional<AddressPool> pool6_;
    os::IpAddress gateway_, gateway6_;  ///< none on internal networks
};

}  // namespace proa::network
