#pragma once
#include <optional>
#include <string>

#include "network/sandbox.h"

// Networks that are no bridge: interfaces of containers are children (macvlan, ipvlan) of an interface of the host.
namespace proa::network {

struct ParentLink {
    std::string driver;   ///< "macvlan", "ipvlan"
    std::string parent;   ///< "eth0", or "eth0.50" for a VLAN that is made here; empty: `dummy` is made (internal networks)
    std::string dummy;
};

/// Errors: Unsupported when the kernel has no such driver, NotFound without the parent.
Result<void> ensure_parent(os::NetlinkSocket& host, const ParentLink& link);
/// Removes what ensure_parent() made; an interface of the host's own stays.
Result<void> remove_parent(os::NetlinkSocket& host, const ParentLink& link);

/// `mode` and `flag` are names as in `docker network create -o`. ipvlan has the parent's MAC.
Result<Interface> attach_to_parent(os::NetlinkSocket& host, Namespace& space, const ParentLink& link, const std::string& mode, const std::string& flag,
                                   bool ipv6, const std::string& inner_name, std::optional<os::MacAddress> mac);

}  // namespace proa::network
