#pragma once
#include <optional>
#include <string>
#include <vector>

#include "os/ip_address.h"
#include "os/netlink.h"

// Interfaces, addresses, routes and neighbours by rtnetlink. The add_/set_/remove_ functions only write a message into a batch;
// NetlinkSocket::transact carries the whole batch out in one system call. man: rtnetlink(7)
namespace proa::os {

struct LinkStatistics {
    uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
    uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct Link {
    int index = 0;
    std::string name;
    std::string kind;   ///< "bridge", "veth", ...; empty for physical ones and lo
    uint32_t flags = 0; ///< IFF_*
    int master = 0;     ///< index of the bridge it is attached to, 0: none
    uint32_t mtu = 0;
    MacAddress mac{};
    LinkStatistics statistics;
    bool is_up() const { return flags & 1; }
};

struct LinkAddress {
    int link = 0;
    IpPrefix prefix;
};

struct Route {
    std::optional<IpPrefix> destination;  ///< nullopt: the default route
    IpAddress gateway;                    ///< none: directly on the link
    int link = 0;
    uint32_t table = 254;                 ///< RT_TABLE_MAIN
    uint32_t metric = 0;
};

/// A bridge, up, without spanning tree, with a fixed MAC (or it would follow its ports').
void add_bridge(NetlinkBatch& batch, const std::string& name, const MacAddress& mac, uint32_t mtu);

struct VethPair {
    std::string host_name;
    int host_master = 0;         ///< bridge index or 0
    std::string peer_name;
    MacAddress peer_mac{};
    int peer_namespace = -1;     ///< descriptor of the network namespace in which the peer is born; -1: here
    uint32_t mtu = 1500;
};
/// Both ends in one message: the peer is created directly inside its namespace (moving it there later costs about 30 ms) and
/// the host end is attached and up. The peer stays down: veth refuses to open an end before the pair is joined (ENOTCONN).
void add_veth(NetlinkBatch& batch, const VethPair& pair);

/// A link of a kind that sits on another one, or on none ("dummy").
struct ChildLink {
    std::string kind;                  ///< "macvlan", "ipvlan", "vlan", "dummy"
    std::string name;
    int parent = 0;                    ///< index here; 0: none
    int network_namespace = -1;        ///< where it is born; -1: here
    std::optional<MacAddress> mac;
    std::optional<uint32_t> mode32;    ///< IFLA_MACVLAN_MODE
    std::optional<uint16_t> mode16;    ///< IFLA_IPVLAN_MODE, IFLA_VLAN_ID
    std::optional<uint16_t> flag16;    ///< IFLA_IPVLAN_FLAGS
    bool up = false;
};
void add_child_link(NetlinkBatch& batch, const ChildLink& link);

struct LinkChange {
    std::optional<bool> up;
    std::optional<int> master;  ///< 0 detaches
    std::optional<uint32_t> mtu;
    std::optional<MacAddress> mac;
    std::optional<std::string> name;  ///< the link must be down before Linux 6.2
    std::optional<int> network_namespace;  ///< descriptor of the namespace it moves to (under `name`), where it gets a new index
};
void set_link(NetlinkBatch& batch, int index, const LinkChange& change);
struct PortChange {
    std::optional<bool> isolated;  ///< talks to the bridge but not to other isolated ports (--icc=false). Linux 4.18
    std::optional<bool> hairpin;   ///< frames may go back out of the port through which they came
};
/// Settings of a link as a port of its bridge.
void set_port(NetlinkBatch& batch, int index, const PortChange& change);
void remove_link(NetlinkBatch& batch, int index);

/// `duplicate_detection` off: an IPv6 address is usable at once (no DAD). Adding what is there already succeeds.
void add_address(NetlinkBatch& batch, int link, const IpPrefix& prefix, bool duplicate_detection = false);
void remove_address(NetlinkBatch& batch, int link, const IpPrefix& prefix);
void add_route(NetlinkBatch& batch, const Route& route);
void remove_route(NetlinkBatch& batch, const Route& route);
/// A permanent neighbour entry: no ARP or ND needed.
void add_neighbour(NetlinkBatch& batch, int link, const IpAddress& address, const MacAddress& mac);

Result<std::vector<Link>> list_links(NetlinkSocket& socket);
/// NotFound when there is none of that name.
Result<Link> find_link(NetlinkSocket& socket, const std::string& name);
Result<std::vector<LinkAddress>> list_addresses(NetlinkSocket& socket);
Result<std::vector<Route>> list_routes(NetlinkSocket& socket);

}  // namespace proa::os
