#include "network/bridge.h"

#include <netinet/in.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "network/namespace.h"
#include "network/resolv_conf.h"
#include "os/file.h"

namespace proa::network {

namespace {
constexpr size_t kInterfaceNameMax = 15;  // IFNAMSIZ with its NUL

/// Interface names may hold dots, which sysctl names write as slashes.
std::string in_sysctl(const std::string& interface) { return replace_all(interface, ".", "/"); }

std::vector<os::IpPrefix> addresses_of(const std::vector<os::LinkAddress>& all, int link, int family) {
    std::vector<os::IpPrefix> out;
    for (auto& address : all)
        if (address.link == link && address.prefix.address.family() == family && !address.prefix.address.is_link_local())
            out.push_back(address.prefix);
    return out;
}


/// Makes `wanted` the only address of its family on the link.
void replace_addresses(os::NetlinkBatch& batch, int link, const std::vector<os::IpPrefix>& present, const os::IpPrefix& wanted) {
    for (auto& other : present)
        if (other != wanted) os::remove_address(batch, link, other);
    if (std::find(present.begin(), present.end(), wanted) == present.end()) os::add_address(batch, link, wanted);
}

Result<os::IpPrefix> wanted_address(os::NetlinkSocket& host, const BridgeOptions& options,
                                    const std::vector<os::IpPrefix>& present) {
    if (options.address) return *options.address;
    if (!present.empty()) return present.front();
    std::vector<os::IpPrefix> taken = TRY(subnets_in_use(host));
    taken.insert(taken.end(), options.taken.begin(), options.taken.end());
    return first_host(TRY(choose_subnet(options.pools, taken)));
}

Result<void> set_bridge_sysctls(const Bridge& bridge) {
    std::string name = in_sysctl(bridge.name);
    TRY(write_sysctl(concat("net.ipv4.conf.", name, ".route_localnet"), "1"));
    if (!os::exists("/proc/sys/net/ipv6")) return {};
    TRY(write_sysctl(concat("net.ipv6.conf.", name, ".accept_ra"), "0"));
    if (bridge.ipv6) TRY(write_sysctl(concat("net.ipv6.conf.", name, ".disable_ipv6"), "0"));
    // Somebody sets the bridge down and up again: unlike IPv4 ones, IPv6 addresses would be gone.
    if (bridge.ipv6) TRY(write_sysctl(concat("net.ipv6.conf.", name, ".keep_addr_on_down"), "1"));
    // And when it is up again they work at once: nobody else has them.
    if (bridge.ipv6) TRY(write_sysctl(concat("net.ipv6.conf.", name, ".accept_dad"), "0"));
    return {};
}

/// Switches a forwarding sysctl on, or says what will not work without it.
void enable_forwarding(Bridge& bridge, bool allowed, const std::string& name, std::string_view family) {
    auto state = read_sysctl(name);
    if (state && *state != "0") return;
    std::string remedy = concat(family, " forwarding is disabled: containers cannot reach other hosts; set ", name, "=1");
    if (!state || !allowed) {
        bridge.warnings.push_back(remedy);
        return;
    }
    auto written = write_sysctl(name, "1");
    if (written) bridge.enabled_forwarding = true;
    else bridge.warnings.push_back(concat(remedy, " (", written.error().message(), ')'));
}

Result<os::Link> find_or_create(os::NetlinkSocket& host, const BridgeOptions& options, bool& created) {
    auto link = os::find_link(host, options.name);
    if (link && link->kind != "bridge")
        return fail(ErrorKind::Conflict, concat("interface ", options.name, " exists and is not a bridge"));
    if (link || !link.error().is(ErrorKind::NotFound)) return link;
    if (!options.managed)
        return fail(ErrorKind::NotFound, concat("bridge device with non default name ", options.name, " must be created manually"));
    os::NetlinkBatch batch;
    os::add_bridge(batch, options.name, os::random_mac(), options.mtu);
    TRY(host.transact(batch));
    created = true;
    return os::find_link(host, options.name);
}
}  // namespace

Result<Bridge> ensure_bridge(os::NetlinkSocket& host, const BridgeOptions& options) {
    if (options.name.empty() || options.name.size() > kInterfaceNameMax || options.name.find('/') != std::string::npos)
        return fail(ErrorKind::InvalidArgument, concat("invalid bridge name ", quote(options.name)));
    Bridge bridge{.name = options.name, .mtu = options.mtu, .ipv6 = options.ipv6, .icc = options.icc,
                  .masquerade = options.masquerade, .internal = options.internal};
    os::Link link = TRY(find_or_create(host, options, bridge.created));
    bridge.index = link.index;
    TRY(set_bridge_sysctls(bridge));

    auto all = TRY(os::list_addresses(host));
    auto present = addresses_of(all, link.index, AF_INET), present6 = addresses_of(all, link.index, AF_INET6);
    os::NetlinkBatch batch;
    if (options.managed) {
        if (options.ipv4) bridge.address = TRY(wanted_address(host, options, present));
        const bool shown = options.ipv4 && !options.bare_ipv4;
        if (shown) replace_addresses(batch, link.index, present, bridge.address);
        else
            for (auto& address : present) os::remove_address(batch, link.index, address);
        if (options.ipv6) {
            bridge.address6 = options.address6 ? *options.address6 : !present6.empty() ? present6.front() : first_host(random_ula());
            replace_addresses(batch, link.index, present6, bridge.address6);
        }
        os::set_link(batch, link.index, {.up = true, .mtu = options.mtu});
    } else {
        if (present.empty()) return fail(ErrorKind::InvalidArgument, concat("bridge ", options.name, " has no IPv4 address"));
        bridge.address = present.front();
        bridge.mtu = link.mtu;
        if (options.ipv6 && !present6.empty()) bridge.address6 = present6.front();
        os::set_link(batch, link.index, {.up = true});
    }
    TRY_WRAP(concat("bridge ", options.name), host.transact(batch));

    if (!options.internal) {
        if (options.ipv4) enable_forwarding(bridge, options.ip_forward, "net.ipv4.ip_forward", "IPv4");
        if (options.ipv6) enable_forwarding(bridge, options.ip_forward, "net.ipv6.conf.all.forwarding", "IPv6");
    }
    return bridge;
}

Result<void> remove_bridge(os::NetlinkSocket& host, const std::string& name) {
    auto link = os::find_link(host, name);
    if (!link && link.error().is(ErrorKind::NotFound)) return {};
    if (!link) return fail(std::move(link).error());
    if (link->kind != "bridge") return fail(ErrorKind::Conflict, concat("interface ", name, " is not a bridge"));
    os::NetlinkBatch batch;
    os::remove_link(batch, link->index);
    return host.transact(batch);
}

Result<std::vector<os::IpPrefix>> subnets_in_use(os::NetlinkSocket& host) {
    std::vector<os::IpPrefix> taken;
    for (auto& route : TRY(os::list_routes(host)))
        if (route.destination && route.destination->length > 0) taken.push_back(*route.destination);
    for (auto& address : TRY(os::list_addresses(host))) taken.push_back(address.prefix);
    // A name server inside a container subnet would be unreachable for ever.
    if (auto text = os::read_file(kHostResolvConf, kResolvConfBytesMax))
        for (auto& server : parse_resolv_conf(*text).servers) taken.push_back({server, server.bits()});
    return taken;
}

}  // namespace proa::network
