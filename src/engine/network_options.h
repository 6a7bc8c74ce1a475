#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/ip_address.h"
#include "schema/docker/system.h"

namespace proa::engine {

/// What a network of driver bridge is asked for by `-o`. Spec: daemon.md section 11
struct BridgeDriverOptions {
    enum class GatewayMode { Nat, NatUnprotected, Isolated };
    std::string name;                        ///< of the interface; "": from the network's id
    bool masquerade = true, icc = true, inhibit_ipv4 = false;
    GatewayMode gateway_mode4 = GatewayMode::Nat, gateway_mode6 = GatewayMode::Nat;
    os::IpAddress host_binding;              ///< none: the daemon's --ip
    uint32_t mtu = 1500;
    std::string interface_prefix = "eth";
};
/// Errors: InvalidArgument for a bad value, Unsupported for an option that is Docker's and not carried out here.
Result<BridgeDriverOptions> parse_bridge_options(const docker::StringMap& options, uint32_t default_mtu);

/// What a network of driver macvlan or ipvlan is asked for.
struct ParentDriverOptions {
    std::string parent, mode, flag;
};
Result<ParentDriverOptions> parse_parent_options(const std::string& driver, const docker::StringMap& options, bool internal);

/// The address configuration of a network, parsed.
struct IpamFamily {
    os::IpPrefix subnet;                     ///< none: not asked for
    std::optional<os::IpPrefix> range;
    os::IpAddress gateway;                   ///< none: not asked for
    std::vector<os::IpAddress> reserved;
};
struct IpamPlan {
    IpamFamily v4, v6;
};
/// Errors: InvalidArgument with Docker's "invalid network config:\n..." and one line for each fault, Forbidden for two subnets of a family.
Result<IpamPlan> parse_ipam(const docker::Ipam& ipam, bool ipv4, bool ipv6);

}  // namespace proa::engine
