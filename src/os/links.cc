#include "os/links.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace proa::os {

namespace {
constexpr uint16_t kCreate = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

std::string_view mac_bytes(const MacAddress& mac) { return {reinterpret_cast<const char*>(mac.data()), mac.size()}; }

ifinfomsg link_header(int index, std::optional<bool> up) {
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = index;
    if (up) {
        header.ifi_change = IFF_UP;
        header.ifi_flags = *up ? IFF_UP : 0;
    }
    return header;
}

/// Copies the struct in front of the attributes and returns the attributes.
template <class Header>
std::string_view take_header(std::string_view body, Header& header) {
    header = {};
    if (body.size() < sizeof header) return {};
    memcpy(&header, body.data(), sizeof header);
    return body.substr(NLMSG_ALIGN(sizeof header));
}

LinkStatistics read_statistics(std::string_view value) {
    rtnl_link_stats64 raw{};
    memcpy(&raw, value.data(), std::min(value.size(), sizeof raw));
    return {raw.rx_bytes, raw.rx_packets, raw.rx_errors, raw.rx_dropped,
            raw.tx_bytes, raw.tx_packets, raw.tx_errors, raw.tx_dropped};
}

Link read_link(std::string_view body) {
    ifinfomsg header;
    auto attributes = take_header(body, header);
    Link link;
    link.index = header.ifi_index;
    link.flags = header.ifi_flags;
    for (NetlinkAttribute a(attributes); a.good(); a.next()) switch (a.type()) {
            case IFLA_IFNAME: link.name = a.text(); break;
            case IFLA_MASTER: link.master = static_cast<int>(a.u32()); break;
            case IFLA_MTU: link.mtu = a.u32(); break;
            case IFLA_STATS64: link.statistics = read_statistics(a.value()); break;
            case IFLA_ADDRESS:
                if (a.value().size() == 6) memcpy(link.mac.data(), a.value().data(), 6);
                break;
            case IFLA_LINKINFO:
                for (NetlinkAttribute info(a.value()); info.good(); info.next())
                    if (info.type() == IFLA_INFO_KIND) link.kind = info.text();
                break;
            default: break;
        }
    return link;
}

void begin_address(NetlinkBatch& batch, uint16_t type, uint16_t flags, int link, const IpPrefix& prefix, uint8_t bits) {
    batch.begin(type, flags, concat(type == RTM_NEWADDR ? "add" : "remove", " address ", prefix.text()));
    ifaddrmsg header{};
    header.ifa_family = static_cast<uint8_t>(prefix.address.family());
    header.ifa_prefixlen = static_cast<uint8_t>(prefix.length);
    header.ifa_flags = bits;
    header.ifa_scope = prefix.address.is_loopback() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    header.ifa_index = static_cast<uint32_t>(link);
    batch.header(header);
    batch.put(IFA_LOCAL, prefix.address.bytes());
    batch.put(IFA_ADDRESS, prefix.address.bytes());
}

void write_route(NetlinkBatch& batch, uint16_t type, uint16_t flags, const Route& route) {
    std::string target = route.destination ? route.destination->text() : "default";
    batch.begin(type, flags, concat(type == RTM_NEWROUTE ? "add" : "remove", " route ", target,
                                    route.gateway.is_none() ? "" : " via ", route.gateway.text()));
    rtmsg header{};
    int family = route.gateway.is_none() && route.destination ? route.destination->address.family() : route.gateway.family();
    header.rtm_family = static_cast<uint8_t>(family);
    header.rtm_dst_len = static_cast<uint8_t>(route.destination ? route.destination->length : 0);
    header.rtm_table = RT_TABLE_UNSPEC;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = route.gateway.is_none() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    batch.header(header);
    if (route.destination) batch.put(RTA_DST, route.destination->first().bytes());
    if (!route.gateway.is_none()) batch.put(RTA_GATEWAY, route.gateway.bytes());
    batch.put_u32(RTA_OIF, static_cast<uint32_t>(route.link));
    batch.put_u32(RTA_TABLE, route.table);
    if (route.metric != 0) batch.put_u32(RTA_PRIORITY, route.metric);
}

Route read_route(std::string_view body, uint8_t& type) {
    rtmsg header;
    auto attributes = take_header(body, header);
    type = header.rtm_type;
    Route route;
    route.table = header.rtm_table;
    for (NetlinkAttribute a(attributes); a.good(); a.next()) switch (a.type()) {
            case RTA_DST: route.destination = IpPrefix{IpAddress::from_bytes(a.value()), header.rtm_dst_len}; break;
            case RTA_GATEWAY: route.gateway = IpAddress::from_bytes(a.value()); break;
            case RTA_OIF: route.link = static_cast<int>(a.u32()); break;
            case RTA_TABLE: route.table = a.u32(); break;
            case RTA_PRIORITY: route.metric = a.u32(); break;
            default: break;
        }
    return route;
}
}  // namespace

void add_bridge(NetlinkBatch& batch, const std::string& name, const MacAddress& mac, uint32_t mtu) {
    batch.begin(RTM_NEWLINK, kCreate, concat("create bridge ", name));
    batch.header(link_header(0, true));
    batch.put_text(IFLA_IFNAME, name);
    batch.put(IFLA_ADDRESS, mac_bytes(mac));
    if (mtu != 0) batch.put_u32(IFLA_MTU, mtu);
    size_t info = batch.open_nest(IFLA_LINKINFO);
    batch.put_text(IFLA_INFO_KIND, "bridge");
    batch.close_nest(info);
}

void add_veth(NetlinkBatch& batch, const VethPair& pair) {
    batch.begin(RTM_NEWLINK, kCreate, concat("create veth ", pair.host_name, " with peer ", pair.peer_name));
    batch.header(link_header(0, true));
    batch.put_text(IFLA_IFNAME, pair.host_name);
    batch.put_u32(IFLA_MTU, pair.mtu);
    if (pair.host_master != 0) batch.put_u32(IFLA_MASTER, static_cast<uint32_t>(pair.host_master));
    size_t info = batch.open_nest(IFLA_LINKINFO);
    batch.put_text(IFLA_INFO_KIND, "veth");
    size_t data = batch.open_nest(IFLA_INFO_DATA);
    size_t peer = batch.open_nest(VETH_INFO_PEER);
    ifinfomsg header = link_header(0, std::nullopt);
    batch.append({reinterpret_cast<const char*>(&header), sizeof header});
    batch.put_text(IFLA_IFNAME, pair.peer_name);
    batch.put_u32(IFLA_MTU, pair.mtu);
    batch.put(IFLA_ADDRESS, mac_bytes(pair.peer_mac));
    if (pair.peer_namespace >= 0) batch.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(pair.peer_namespace));
    batch.close_nest(peer);
    batch.close_nest(data);
    batch.close_nest(info);
}

void add_child_link(NetlinkBatch& batch, const ChildLink& link) {
    batch.begin(RTM_NEWLINK, kCreate, concat("create ", link.kind, " link ", link.name));
    batch.header(link_header(0, link.up ? std::optional(true) : std::nullopt));
    batch.put_text(IFLA_IFNAME, link.name);
    if (link.parent != 0) batch.put_u32(IFLA_LINK, static_cast<uint32_t>(link.parent));
    if (link.network_namespace >= 0) batch.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(link.network_namespace));
    if (link.mac) batch.put(IFLA_ADDRESS, mac_bytes(*link.mac));
    size_t info = batch.open_nest(IFLA_LINKINFO);
    batch.put_text(IFLA_INFO_KIND, link.kind);
    size_t data = batch.open_nest(IFLA_INFO_DATA);
    static_assert(int{IFLA_MACVLAN_MODE} == int{IFLA_IPVLAN_MODE} && int{IFLA_IPVLAN_MODE} == int{IFLA_VLAN_ID});
    if (link.mode32) batch.put_u32(IFLA_MACVLAN_MODE, *link.mode32);
    if (link.mode16) batch.put_u16(IFLA_IPVLAN_MODE, *link.mode16);
    if (link.flag16) batch.put_u16(IFLA_IPVLAN_FLAGS, *link.flag16);
    batch.close_nest(data);
    batch.close_nest(info);
}

void set_link(NetlinkBatch& batch, int index, const LinkChange& change) {
    batch.begin(RTM_NEWLINK, NLM_F_ACK, concat("change link ", index));
    batch.header(link_header(index, change.up));
    if (change.name) batch.put_text(IFLA_IFNAME, *change.name);
    if (change.master) batch.put_u32(IFLA_MASTER, static_cast<uint32_t>(*change.master));
    if (change.mtu) batch.put_u32(IFLA_MTU, *change.mtu);
    if (change.mac) batch.put(IFLA_ADDRESS, mac_bytes(*change.mac));
    if (change.network_namespace) batch.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(*change.network_namespace));
}

void set_port(NetlinkBatch& batch, int index, const PortChange& change) {
    batch.begin(RTM_SETLINK, NLM_F_ACK, concat("change bridge port ", index));
    ifinfomsg header = link_header(index, std::nullopt);
    header.ifi_family = AF_BRIDGE;
    batch.header(header);
    size_t port = batch.open_nest(IFLA_PROTINFO);
    if (change.isolated) batch.put_u8(IFLA_BRPORT_ISOLATED, *change.isolated);
    if (change.hairpin) batch.put_u8(IFLA_BRPORT_MODE, *change.hairpin);
    batch.close_nest(port);
}

void remove_link(NetlinkBatch& batch, int index) {
    batch.begin(RTM_DELLINK, NLM_F_ACK, concat("remove link ", index));
    batch.header(link_header(index, std::nullopt));
}

void add_address(NetlinkBatch& batch, int link, const IpPrefix& prefix, bool duplicate_detection) {
    uint8_t bits = prefix.address.is_v6() && !duplicate_detection ? IFA_F_NODAD : 0;
    begin_address(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, link, prefix, bits);
    if (prefix.address.is_v4() && prefix.length < 31) batch.put(IFA_BROADCAST, prefix.last().bytes());
}

void remove_address(NetlinkBatch& batch, int link, const IpPrefix& prefix) {
    begin_address(batch, RTM_DELADDR, NLM_F_ACK, link, prefix, 0);
}

void add_route(NetlinkBatch& batch, const Route& route) {
    write_route(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, route);
}

void remove_route(NetlinkBatch& batch, const Route& route) { write_route(batch, RTM_DELROUTE, NLM_F_ACK, route); }

void add_neighbour(NetlinkBatch& batch, int link, const IpAddress& address, const MacAddress& mac) {
    batch.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, concat("add neighbour ", address.text()));
    ndmsg header{};
    header.ndm_family = static_cast<uint8_t>(address.family());
    header.ndm_ifindex = link;
    header.ndm_state = NUD_PERMANENT;
    batch.header(header);
    batch.put(NDA_DST, address.bytes());
    batch.put(NDA_LLADDR, mac_bytes(mac));
}

Result<std::vector<Link>> list_links(NetlinkSocket& socket) {
    NetlinkBatch batch;
    batch.begin(RTM_GETLINK, NLM_F_DUMP, "list links");
    batch.header(link_header(0, std::nullopt));
    std::vector<Link> links;
    for (auto& reply : TRY(socket.dump(batch))) links.push_back(read_link(reply.body));
    return links;
}

Result<Link> find_link(NetlinkSocket& socket, const std::string& name) {
    NetlinkBatch batch;
    batch.begin(RTM_GETLINK, 0, concat("find link ", name));
    batch.header(link_header(0, std::nullopt));
    batch.put_text(IFLA_IFNAME, name);
    auto reply = socket.request(batch);
    if (!reply && reply.error().number() == ENODEV) return fail(std::move(reply).error().with_kind(ErrorKind::NotFound));
    if (!reply) return fail(std::move(reply).error());
    return read_link(reply->body);
}

Result<std::vector<LinkAddress>> list_addresses(NetlinkSocket& socket) {
    NetlinkBatch batch;
    batch.begin(RTM_GETADDR, NLM_F_DUMP, "list addresses");
    batch.header(ifaddrmsg{});
    std::vector<LinkAddress> addresses;
    for (auto& reply : TRY(socket.dump(batch))) {
        ifaddrmsg header;
        auto attributes = take_header(reply.body, header);
        LinkAddress address;
        address.link = static_cast<int>(header.ifa_index);
        address.prefix.length = header.ifa_prefixlen;
        // IFA_LOCAL is ours, IFA_ADDRESS the peer's on a point-to-point link; IPv6 has the latter only.
        for (NetlinkAttribute a(attributes); a.good(); a.next())
            if (a.type() == IFA_LOCAL || (a.type() == IFA_ADDRESS && address.prefix.is_none()))
                address.prefix.address = IpAddress::from_bytes(a.value());
        addresses.push_back(address);
    }
    return addresses;
}

Result<std::vector<Route>> list_routes(NetlinkSocket& socket) {
    NetlinkBatch batch;
    batch.begin(RTM_GETROUTE, NLM_F_DUMP, "list routes");
    batch.header(rtmsg{});
    std::vector<Route> routes;
    for (auto& reply : TRY(socket.dump(batch))) {
        uint8_t type = 0;
        Route route = read_route(reply.body, type);
        if (type == RTN_UNICAST) routes.push_back(route);
    }
    return routes;
}

}  // namespace proa::os
