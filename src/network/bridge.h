#pragma once
#include <optional>
#include <string>
#include <vector>

#include "network/address_pool.h"
#include "os/links.h"

namespace proa::network {

struct BridgeOptions {
    std::string name = "proa0";           ///< at most 15 bytes
    /// False for a bridge of the user's (--bridge): it must exist and its addresses are taken as they are.
    bool managed = true;
    std::optional<os::IpPrefix> address;   ///< --bip, or the gateway of the network's IPAM; nullopt: chosen from `pools`
    std::optional<os::IpPrefix> address6;  ///< --bip6; with `ipv6` and without it a ULA /64 is chosen
    bool ipv4 = true;                      ///< false: the bridge and its containers have IPv6 only
    bool ipv6 = false;
    bool bare_ipv4 = false;                ///< the bridge gets no IPv4 address (com.docker.network.bridge.inhibit_ipv4)
    uint32_t mtu = 1500;
    bool ip_forward = true;                ///< switch net.ipv4.ip_forward on (--ip-forward)
    bool icc = true;                       ///< containers of this bridge may talk to each other
    bool masquerade = true;                ///< --ip-masq
    bool internal = false;                 ///< no way out and no published ports
    std::vector<SubnetPool> pools = default_subnet_pools();
    std::vector<os::IpPrefix> taken;       ///< subnets of other networks, running or not
};

/// A bridge as it is in the kernel now.
struct Bridge {
    std::string name;
    int index = 0;
    os::IpPrefix address, address6;        ///< the gateway's address with the subnet's length; none when the family is off
    uint32_t mtu = 1500;
    bool ipv6 = false, icc = true, masquerade = true, internal = false;
    bool created = false;                  ///< by this call
    /// This call switched forwarding on: the host now routes for its neighbours too unless
    /// Firewall::drop_foreign_forwarding() is set (Docker's default; --ip-forward-no-drop turns it off).
    bool enabled_forwarding = false;
    std::vector<std::string> warnings;     ///< for `docker info` and the log, each with the remedy
};

/// Creates the bridge or brings an existing one into the wanted state; idempotent. A managed bridge ends with exactly the wanted
/// IPv4 address; without a wanted one it keeps the one that it has. Sets route_localnet (ports published on 127.0.0.1) and
/// accept_ra=0 on the bridge only, and ip_forward for the host when asked.
/// Errors: Conflict (an interface of that name is no bridge), NotFound (not managed and missing), Unavailable (no free subnet).
/// Needs CAP_NET_ADMIN. `host` is a rtnetlink socket of the namespace in which the caller's thread is.
Result<Bridge> ensure_bridge(os::NetlinkSocket& host, const BridgeOptions& options);

/// Removes a bridge and leaves its ports without one; no error when it is missing.
Result<void> remove_bridge(os::NetlinkSocket& host, const std::string& name);

/// Subnets that a new network must not overlap: routes (but the default one), interface addresses, the host's name servers.
Result<std::vector<os::IpPrefix>> subnets_in_use(os::NetlinkSocket& host);

}  // namespace proa::network
