#include "network/firewall.h"

#include <netinet/in.h>
// glibc's addresses must be known before the kernel's headers.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/log.h"
#include "base/text.h"

namespace proa::network {

namespace {
// All names carry a prefix: bare words such as `fwd` or `dnat` are keywords of nft(8).
constexpr const char* kBridges = "proa-bridges";
constexpr const char* kInternal = "proa-internal";
constexpr const char* kMasquerade = "proa-masquerade";
constexpr const char* kSubnets4 = "proa-subnets4";
constexpr const char* kSubnets6 = "proa-subnets6";
constexpr const char* kOpen = "proa-open";
constexpr const char* kIcc = "proa-icc";            // bridge . bridge
constexpr const char* kAny4 = "proa-any4";          // protocol . port : address . port
constexpr const char* kAny6 = "proa-any6";
constexpr const char* kAddress4 = "proa-address4";  // host address . protocol . port : address . port
constexpr const char* kAddress6 = "proa-address6";
constexpr const char* kAnyRange4 = "proa-any-range4";  // protocol . ports : address . ports (see dnat_shifted)
constexpr const char* kAnyRange6 = "proa-any-range6";
constexpr const char* kAddressRange4 = "proa-address-range4";  // host address . protocol . ports : address . ports
constexpr const char* kAddressRange6 = "proa-address-range6";
constexpr const char* kPublish = "proa-publish";
constexpr const char* kInto = "proa-into";

// nft(8), "standard priority names"
constexpr int32_t kPriorityRaw = -300, kPriorityDnat = -100, kPriorityFilter = 0, kPrioritySnat = 100;
constexpr uint32_t kSecondWord = kNftKey + 1, kFourthWord = kNftKey + 4;

using Element = NftTransaction::Element;

std::string interface_bytes(std::string_view name) {
    std::string out(name);
    out.resize(16, '\0');
    return out;
}

std::string port_bytes(uint16_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port), 0, 0}; }
std::string protocol_bytes(Protocol protocol) { return {static_cast<char>(protocol), 0, 0, 0}; }

const char* map_of(const Publication& publication) {
    const bool any = publication.host_ip.is_unspecified(), range = publication.count > 1;
    if (publication.host_ip.is_v4()) return range ? (any ? kAnyRange4 : kAddressRange4) : any ? kAny4 : kAddress4;
    return range ? (any ? kAnyRange6 : kAddressRange6) : any ? kAny6 : kAddress6;
}

std::string key_of(const Publication& publication, uint16_t port) {
    std::string key;
    if (!publication.host_ip.is_unspecified()) key = publication.host_ip.bytes();
    return key + protocol_bytes(publication.protocol) + port_bytes(port);
}

/// Host port p becomes low + p mod (high - low + 1), for p of [first, last].
struct Shift {
    uint32_t first, last, low, high;
};

/// The fewest such pieces that are simple: one where container ports are the host's or higher. Where they are lower, aligned blocks of host
/// ports with a power of two as their length, at most 30: such a block starts at p mod length = 0.
std::vector<Shift> shifts_of(const Publication& publication) {
    uint32_t host = publication.host_port, container = publication.container_port;
    const uint32_t last = publication.last_host_port();
    if (container == host) return {{host, last, 0, 65535}};
    if (container > host) return {{host, last, container - host, publication.last_container_port()}};
    std::vector<Shift> shifts;
    while (host <= last) {
        uint32_t length = 1;
        while (host % (length * 2) == 0 && host + length * 2 - 1 <= last) length *= 2;
        shifts.push_back({host, host + length - 1, container, container + length - 1});
        host += length;
        container += length;
    }
    return shifts;
}

void append_elements(std::vector<Element>& elements, const Publication& publication) {
    const std::string address(publication.container_ip.bytes());
    if (publication.count == 1) {
        elements.push_back({.key = key_of(publication, publication.host_port), .data = address + port_bytes(publication.container_port)});
        return;
    }
    for (auto& shift : shifts_of(publication))
        elements.push_back({.key = key_of(publication, static_cast<uint16_t>(shift.first)),
                            .data = address + port_bytes(static_cast<uint16_t>(shift.low)) + address + port_bytes(static_cast<uint16_t>(shift.high)),
                            .key_end = key_of(publication, static_cast<uint16_t>(shift.last))});
}

void add_sets(NftTransaction& change) {
    using enum NftType;
    for (const char* name : {kBridges, kInternal, kMasquerade, kOpen}) change.add_set({name, {Interface}, {}});
    change.add_set({kSubnets4, {Ipv4Address}, {}, NftSet::Ranges::Keys});
    change.add_set({kSubnets6, {Ipv6Address}, {}, NftSet::Ranges::Keys});
    change.add_set({kIcc, {Interface, Interface}, {}});
    change.add_set({kAny4, {Protocol, Port}, {Ipv4Address, Port}});
    change.add_set({kAny6, {Protocol, Port}, {Ipv6Address, Port}});
    change.add_set({kAddress4, {Ipv4Address, Protocol, Port}, {Ipv4Address, Port}});
    change.add_set({kAddress6, {Ipv6Address, Protocol, Port}, {Ipv6Address, Port}});
    change.add_set({kAnyRange4, {Protocol, Port}, {Ipv4Address, Port}, NftSet::Ranges::Fields, true});
    change.add_set({kAnyRange6, {Protocol, Port}, {Ipv6Address, Port}, NftSet::Ranges::Fields, true});
    change.add_set({kAddressRange4, {Ipv4Address, Protocol, Port}, {Ipv4Address, Port}, NftSet::Ranges::Fields, true});
    change.add_set({kAddressRange6, {Ipv6Address, Protocol, Port}, {Ipv6Address, Port}, NftSet::Ranges::Fields, true});
}

NftRule& to_loopback4(NftRule& rule) {
    return rule.ipv4().ipv4_destination().mask({"\xff\0\0\0", 4}).equals({"\x7f\0\0\0", 4});
}

/// Before connection tracking, so that answers to translated connections (127.0.0.1 only after it) are not meant here.
void add_loopback_guard(NftTransaction& change) {
    change.add_base_chain("proa-guard", "filter", NF_INET_PRE_ROUTING, kPriorityRaw);
    // route_localnet on our bridges would let containers reach the services of the host's 127.0.0.0/8.
    change.add_rule("proa-guard", [](NftRule& r) { to_loopback4(r.incoming_interface().in(kBridges)).drop(); });
    // And where somebody set it on another interface, neighbours would reach ports published on 127.0.0.1.
    const std::string lo = interface_bytes("lo");
    for (const char* map : {kAddress4, kAddressRange4})
        change.add_rule("proa-guard", [&](NftRule& r) {
            to_loopback4(r.incoming_interface().differs(lo)).ipv4_destination().protocol(kSecondWord).destination_port(kNftKey + 2);
            r.map(map).drop();
        });
    for (const char* map : {kAny4, kAnyRange4})
        change.add_rule("proa-guard",
                        [&](NftRule& r) { to_loopback4(r.incoming_interface().differs(lo)).protocol().destination_port(kSecondWord).map(map).drop(); });
}

void add_translation(NftTransaction& change) {
    change.add_chain(kPublish);
    change.add_rule(kPublish, [](NftRule& r) {
        r.ipv4().ipv4_destination().protocol(kSecondWord).destination_port(kNftKey + 2).map(kAddress4).dnat(false);
    });
    change.add_rule(kPublish, [](NftRule& r) {
        r.ipv4().ipv4_destination().protocol(kSecondWord).destination_port(kNftKey + 2).map(kAddressRange4, kNftKey, kNftKey).dnat_shifted(false);
    });
    change.add_rule(kPublish, [](NftRule& r) { r.ipv4().protocol().destination_port(kSecondWord).map(kAny4).dnat(false); });
    change.add_rule(kPublish, [](NftRule& r) { r.ipv4().protocol().destination_port(kSecondWord).map(kAnyRange4, kNftKey, kNftKey).dnat_shifted(false); });
    // ::1 cannot leave lo, whatever the translation: the shim's proxy serves it.
    change.add_rule(kPublish, [](NftRule& r) {
        r.ipv6().ipv6_destination().equals(os::IpAddress::parse("::1")->bytes()).leave();
    });
    change.add_rule(kPublish, [](NftRule& r) {
        r.ipv6().ipv6_destination().protocol(kFourthWord).destination_port(kFourthWord + 1).map(kAddress6).dnat(true);
    });
    change.add_rule(kPublish, [](NftRule& r) {
        r.ipv6().ipv6_destination().protocol(kFourthWord).destination_port(kFourthWord + 1).map(kAddressRange6, kNftKey, kNftKey).dnat_shifted(true);
    });
    change.add_rule(kPublish, [](NftRule& r) { r.ipv6().protocol().destination_port(kSecondWord).map(kAny6).dnat(true); });
    change.add_rule(kPublish, [](NftRule& r) { r.ipv6().protocol().destination_port(kSecondWord).map(kAnyRange6, kNftKey, kNftKey).dnat_shifted(true); });

    change.add_base_chain("proa-prerouting", "nat", NF_INET_PRE_ROUTING, kPriorityDnat);
    change.add_rule("proa-prerouting", [](NftRule& r) { r.destination_is_local().jump(kPublish); });
    change.add_base_chain("proa-output", "nat", NF_INET_LOCAL_OUT, kPriorityDnat);
    change.add_rule("proa-output", [](NftRule& r) { r.destination_is_local().jump(kPublish); });

    change.add_base_chain("proa-postrouting", "nat", NF_INET_POST_ROUTING, kPrioritySnat);
    // Out into the world.
    change.add_rule("proa-postrouting", [](NftRule& r) {
        r.incoming_interface().in(kMasquerade).outgoing_interface().not_in(kBridges).masquerade();
    });
    // Container to published port of a container: the answer must come back through the host, even between two of one bridge.
    // By source, not by incoming interface: br_netfilter calls this hook without one for frames that stay on the bridge.
    change.add_rule("proa-postrouting", [](NftRule& r) {
        r.outgoing_interface().in(kBridges).ipv4().ipv4_source().in(kSubnets4).connection_has_dnat().masquerade();
    });
    change.add_rule("proa-postrouting", [](NftRule& r) {
        r.outgoing_interface().in(kBridges).ipv6().ipv6_source().in(kSubnets6).connection_has_dnat().masquerade();
    });
    // The host's 127.0.0.1 to a container.
    change.add_rule("proa-postrouting", [](NftRule& r) {
        r.outgoing_interface().in(kBridges).ipv4().ipv4_source().mask({"\xff\0\0\0", 4}).equals({"\x7f\0\0\0", 4}).masquerade();
    });
}

void add_isolation(NftTransaction& change, bool drop_foreign) {
    change.add_chain(kInto);
    change.add_rule(kInto, [](NftRule& r) { r.connection_established().accept(); });
    change.add_rule(kInto, [](NftRule& r) { r.connection_has_dnat().accept(); });
    change.add_rule(kInto, [](NftRule& r) { r.outgoing_interface().in(kOpen).accept(); });
    change.add_rule(kInto, [](NftRule& r) { r.drop(); });

    change.add_base_chain("proa-forward", "filter", NF_INET_FORWARD, kPriorityFilter);
    change.add_rule("proa-forward", [](NftRule& r) {
        r.incoming_interface().outgoing_interface(kFourthWord).in(kIcc).accept();
    });
    change.add_rule("proa-forward", [](NftRule& r) { r.incoming_interface().in(kInternal).drop(); });
    change.add_rule("proa-forward", [](NftRule& r) { r.outgoing_interface().in(kInternal).drop(); });
    change.add_rule("proa-forward", [](NftRule& r) { r.outgoing_interface().in(kBridges).jump(kInto); });
    if (!drop_foreign) return;
    change.add_rule("proa-forward", [](NftRule& r) { r.incoming_interface().in(kBridges).accept(); });
    change.add_rule("proa-forward", [](NftRule& r) { r.drop(); });
}

/// What is an element of which set for this bridge: the one list for adding and removing.
template <class Visitor>
void for_each_bridge_element(const FirewallBridge& bridge, Visitor visit) {
    const std::string name = interface_bytes(bridge.name);
    visit(kBridges, Element{name, {}});
    if (bridge.icc) visit(kIcc, Element{name + name, {}});
    if (bridge.internal) visit(kInternal, Element{name, {}});
    if (bridge.masquerade && !bridge.internal) visit(kMasquerade, Element{name, {}});
    if (!bridge.subnet.is_none())
        for (auto& end : NftTransaction::range(bridge.subnet)) visit(kSubnets4, end);
    if (!bridge.subnet6.is_none())
        for (auto& end : NftTransaction::range(bridge.subnet6)) visit(kSubnets6, end);
    if (bridge.open && !bridge.internal) visit(kOpen, Element{name, {}});
}

std::map<std::string, std::vector<Element>> elements_of(std::span<const Publication> publications) {
    std::map<std::string, std::vector<Element>> by_map;
    for (auto& publication : publications)
        if (publication.kernel_forwards()) append_elements(by_map[map_of(publication)], publication);
    return by_map;
}

std::vector<PortRange> udp_ports(std::span<const Publication> publications) {
    std::vector<PortRange> ports;
    for (auto& publication : publications)
        if (publication.protocol == Protocol::Udp && publication.kernel_forwards()) ports.push_back({publication.host_port, publication.last_host_port()});
    return ports;
}

std::string host_side_text(const Publication& publication) {
    std::string ip = publication.host_ip.text();
    if (publication.host_ip.is_v6()) ip = concat('[', ip, ']');
    return concat(ip, ':', publication.host_port, publication.count > 1 ? concat('-', publication.last_host_port()) : "", '/',
                  protocol_name(publication.protocol));
}
}  // namespace

std::string_view protocol_name(Protocol protocol) {
    switch (protocol) {
        case Protocol::Tcp: return "tcp";
        case Protocol::Udp: return "udp";
        case Protocol::Sctp: return "sctp";
    }
    return "unknown";
}

std::optional<Protocol> parse_protocol(std::string_view name) {
    for (Protocol protocol : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp})
        if (equals_ignoring_case(name, protocol_name(protocol))) return protocol;
    return std::nullopt;
}

bool Publication::kernel_forwards() const {
    if (host_ip.family() != container_ip.family()) return false;
    return host_ip.is_v4() || !host_ip.is_loopback();
}

Result<std::unique_ptr<Firewall>> Firewall::open(const std::string& table) {
    std::unique_ptr<Firewall> firewall(new Firewall(table));
    firewall->socket_ = TRY_WRAP("nftables", os::NetlinkSocket::open(NETLINK_NETFILTER));
    firewall->watch_ = TRY_WRAP("nftables", os::NetlinkSocket::open(NETLINK_NETFILTER));
    TRY_WRAP("nftables notifications", firewall->watch_.subscribe(NFNLGRP_NFTABLES));
    return firewall;
}

Result<void> Firewall::install() {
    NftTransaction change(table_);
    change.add_table();  // so that there is one to delete
    change.delete_table();
    change.add_table();
    add_sets(change);
    add_loopback_guard(change);
    add_translation(change);
    add_isolation(change, drop_foreign_);
    std::map<std::string, std::vector<Element>> by_set;
    for (auto& [name, bridge] : bridges_)
        for_each_bridge_element(bridge, [&](const char* set, Element element) { by_set[set].push_back(std::move(element)); });
    for (auto& [set, elements] : by_set) change.add_elements(set, elements);
    std::vector<Publication> publications;
    for (auto& [side, publication] : publications_) publications.push_back(publication);
    for (auto& [map, elements] : elements_of(publications)) change.add_elements(map, elements);
    TRY_WRAP("cannot install the firewall", change.commit(socket_));
    installed_ = true;
    return {};
}

/// A change meets a table that somebody has just flushed: then the whole wanted state goes in anew.
Result<void> Firewall::commit_or_reinstall(NftTransaction& change) {
    if (!installed_) return install();
    auto committed = change.commit(socket_);
    if (committed || committed.error().number() != ENOENT) return committed;
    log::warn(concat("nftables table ", table_, " was changed by somebody else, installing it again"));
    return install();
}

Result<void> Firewall::reconcile(const std::vector<FirewallBridge>& bridges, const std::vector<Publication>& publications) {
    std::map<std::string, FirewallBridge> wanted_bridges;
    for (auto& bridge : bridges) wanted_bridges[bridge.name] = bridge;
    Publications wanted;
    for (auto& publication : publications)
        if (!TRY(add(wanted, publication))) return fail(ErrorKind::Conflict, concat("published twice: ", host_side_text(publication)));
    std::lock_guard lock(mutex_);
    bridges_.swap(wanted_bridges);
    publications_.swap(wanted);
    auto installed = install();
    if (!installed) {
        bridges_.swap(wanted_bridges);
        publications_.swap(wanted);
    }
    return installed;
}

Result<void> Firewall::drop_foreign_forwarding(bool on) {
    std::lock_guard lock(mutex_);
    if (drop_foreign_ == on) return {};
    drop_foreign_ = on;
    if (!installed_) return {};
    auto installed = install();
    if (!installed) drop_foreign_ = !on;
    return installed;
}

Result<void> Firewall::add_bridge(const FirewallBridge& bridge) {
    std::lock_guard lock(mutex_);
    NftTransaction change(table_);
    auto old = bridges_.find(bridge.name);
    if (old != bridges_.end()) {
        if (old->second == bridge && installed_) return {};
        for_each_bridge_element(old->second, [&](const char* set, Element e) { change.remove_elements(set, {std::move(e)}); });
    }
    for_each_bridge_element(bridge, [&](const char* set, Element e) { change.add_elements(set, {std::move(e)}); });
    std::optional<FirewallBridge> before;
    if (old != bridges_.end()) before = old->second;
    bridges_[bridge.name] = bridge;
    auto done = commit_or_reinstall(change);
    if (!done && before) bridges_[bridge.name] = *before;
    if (!done && !before) bridges_.erase(bridge.name);
    return done;
}

Result<void> Firewall::remove_bridge(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto old = bridges_.find(name);
    if (old == bridges_.end()) return {};
    NftTransaction change(table_);
    for_each_bridge_element(old->second, [&](const char* set, Element e) { change.remove_elements(set, {std::move(e)}); });
    FirewallBridge before = old->second;
    bridges_.erase(old);
    auto done = commit_or_reinstall(change);
    if (!done) bridges_[name] = before;
    return done;
}

/// True when it is new, false when this very one is there. Errors: Conflict.
Result<bool> Firewall::add(Publications& all, const Publication& publication) {
    const HostSide side{publication.protocol, publication.host_ip, publication.host_port};
    auto after = all.lower_bound(side);
    if (after != all.end() && after->second == publication) return false;
    auto meets = [&](const Publication& other) {
        return other.protocol == publication.protocol && other.host_ip == publication.host_ip && other.host_port <= publication.last_host_port() &&
               publication.host_port <= other.last_host_port();
    };
    if ((after != all.end() && meets(after->second)) || (after != all.begin() && meets(std::prev(after)->second)))
        return fail(ErrorKind::Conflict, concat("published twice: ", host_side_text(publication)));
    all.emplace_hint(after, side, publication);
    return true;
}

Result<void> Firewall::publish(std::span<const Publication> publications) { return replace({}, publications); }

Result<void> Firewall::unpublish(std::span<const Publication> publications) { return replace(publications, {}); }

Result<void> Firewall::replace(std::span<const Publication> gone, std::span<const Publication> fresh) {
    std::lock_guard lock(mutex_);
    std::vector<Publication> removed, added;
    const std::set<Publication> wanted(fresh.begin(), fresh.end());
    for (auto& publication : gone) {
        if (wanted.contains(publication)) continue;
        auto entry = publications_.find({publication.protocol, publication.host_ip, publication.host_port});
        if (entry == publications_.end() || entry->second != publication) continue;
        publications_.erase(entry);
        removed.push_back(publication);
    }
    auto done = [&]() -> Result<void> {
        for (auto& publication : fresh)
            if (TRY(add(publications_, publication))) added.push_back(publication);
        NftTransaction change(table_);
        for (auto& [map, elements] : elements_of(removed)) change.remove_elements(map, elements);
        for (auto& [map, elements] : elements_of(added)) change.add_elements(map, elements);
        TRY_WRAP("cannot change published ports", commit_or_reinstall(change));
        return {};
    }();
    if (!done) {
        for (auto& publication : added) publications_.erase({publication.protocol, publication.host_ip, publication.host_port});
        for (auto& publication : removed) publications_.emplace(HostSide{publication.protocol, publication.host_ip, publication.host_port}, publication);
        return done;
    }
    added.insert(added.end(), removed.begin(), removed.end());
    return forget_udp_flows(socket_, udp_ports(added));
}

Result<void> Firewall::remove_table() {
    std::lock_guard lock(mutex_);
    bridges_.clear();
    publications_.clear();
    installed_ = false;
    NftTransaction change(table_);
    change.add_table();
    change.delete_table();
    return change.commit(socket_);
}

Result<bool> Firewall::handle_changes() {
    std::lock_guard lock(mutex_);
    bool damaged = false;
    auto replies = watch_.receive_pending();
    // Notifications were lost: nobody knows what happened, so make sure.
    if (!replies && replies.error().number() == ENOBUFS) damaged = true;
    else if (!replies) return fail(std::move(replies).error());
    else
        for (auto& reply : *replies) {
            if (reply.port == socket_.port() || reply.type >> 8 != NFNL_SUBSYS_NFTABLES) continue;
            const int message = reply.type & 0xff;
            if (message != NFT_MSG_DELTABLE && message != NFT_MSG_DELCHAIN && message != NFT_MSG_DELRULE &&
                message != NFT_MSG_DELSET && message != NFT_MSG_DELSETELEM)
                continue;
            if (reply.body.size() < sizeof(nfgenmsg) || reply.body[0] != NFPROTO_INET) continue;
            for (os::NetlinkAttribute a(std::string_view(reply.body).substr(sizeof(nfgenmsg))); a.good(); a.next())
                if (a.type() == NFTA_TABLE_NAME) damaged |= a.text() == table_;
        }
    if (!damaged || !installed_) return false;
    TRY(install());
    return true;
}

std::vector<std::string> Firewall::warnings(const std::string& bridge) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> texts;
    auto chains = list_nft_chains(socket_);
    if (!chains) return texts;
    bool firewalld = false;
    for (auto& chain : *chains) {
        if (chain.table == table_) continue;
        if (chain.table == "firewalld") firewalld = true;
        const bool ip = chain.family == NFPROTO_IPV4 || chain.family == NFPROTO_INET;
        if (!ip || chain.hook != NF_INET_FORWARD || !chain.drops) continue;
        // A rule that names the bridge, here or in Docker's chain for users, is taken as the remedy.
        auto allowed = nft_chain_mentions(socket_, chain, bridge);
        NftChain user = chain;
        user.name = "DOCKER-USER";
        auto user_allowed = nft_chain_mentions(socket_, user, bridge);
        if ((allowed && *allowed) || (user_allowed && *user_allowed)) continue;
        const bool iptables = chain.table == "filter" && chain.name == "FORWARD" && chain.family == NFPROTO_IPV4;
        const std::string remedy =
            iptables ? concat("iptables -I FORWARD -i ", bridge, " -j ACCEPT; iptables -I FORWARD -o ", bridge, " -j ACCEPT")
                     : concat("accept iifname and oifname ", bridge, " in that chain");
        texts.push_back(concat("another firewall drops forwarded packets (table ", chain.table, ", chain ", chain.name,
                               ", policy drop): containers on ", bridge, " may not reach the network; to allow them: ", remedy));
    }
    if (firewalld)
        texts.push_back(concat("firewalld is active: containers on ", bridge, " may not reach the network; to allow them: ",
                               "firewall-cmd --permanent --zone=trusted --add-interface=", bridge, " && firewall-cmd --reload"));
    return texts;
}

}  // namespace proa::network
