#include "network/parent_link.h"

#include <linux/if_link.h>

#include <cerrno>

#include "base/text.h"
#include "os/file.h"

namespace proa::network {

namespace {
/// "eth0.50" as the interface below and the VLAN's number.
std::optional<std::pair<std::string, uint16_t>> parse_vlan(const std::string& name) {
    auto dot = name.rfind('.');
    if (dot == std::string::npos) return std::nullopt;
    auto number = parse_uint(std::string_view(name).substr(dot + 1));
    if (!number || *number == 0 || *number > 4094) return std::nullopt;
    return std::pair{name.substr(0, dot), static_cast<uint16_t>(*number)};
}

const std::string& parent_name(const ParentLink& link) { return link.parent.empty() ? link.dummy : link.parent; }

/// Asks for a link of that kind without a parent: a kernel that knows the kind refuses only the missing parent.
Result<void> check_kernel(os::NetlinkSocket& host, const std::string& driver) {
    os::NetlinkBatch batch;
    os::add_child_link(batch, {.kind = driver, .name = "proa-probe"});
    auto made = host.transact(batch);
    if (made || made.error().number() != EOPNOTSUPP) return {};
    return fail(ErrorKind::Unsupported, concat("this kernel has no ", driver, " support"));
}

uint32_t macvlan_mode(const std::string& mode) {
    return mode == "private" ? MACVLAN_MODE_PRIVATE : mode == "vepa" ? MACVLAN_MODE_VEPA : mode == "passthru" ? MACVLAN_MODE_PASSTHRU : MACVLAN_MODE_BRIDGE;
}
uint16_t ipvlan_mode(const std::string& mode) { return mode == "l3" ? IPVLAN_MODE_L3 : mode == "l3s" ? IPVLAN_MODE_L3S : IPVLAN_MODE_L2; }
uint16_t ipvlan_flag(const std::string& flag) { return flag == "private" ? IPVLAN_F_PRIVATE : flag == "vepa" ? IPVLAN_F_VEPA : 0; }
}  // namespace

Result<void> ensure_parent(os::NetlinkSocket& host, const ParentLink& link) {
    TRY(check_kernel(host, link.driver));
    auto present = os::find_link(host, parent_name(link));
    os::NetlinkBatch batch;
    if (present) {
        if (!present->is_up()) os::set_link(batch, present->index, {.up = true});
        return host.transact(batch);
    }
    if (!present.error().is(ErrorKind::NotFound)) return fail(std::move(present).error());
    if (link.parent.empty()) {
        os::add_child_link(batch, {.kind = "dummy", .name = link.dummy, .up = true});
        return host.transact(batch);
    }
    auto vlan = parse_vlan(link.parent);
    auto below = vlan ? os::find_link(host, vlan->first) : present;
    if (!below) return fail(ErrorKind::NotFound, concat("invalid subinterface vlan name ", link.parent, ": the parent interface was not found on the host"));
    os::add_child_link(batch, {.kind = "vlan", .name = link.parent, .parent = below->index, .mode16 = vlan->second, .up = true});
    return host.transact(batch);
}

Result<void> remove_parent(os::NetlinkSocket& host, const ParentLink& link) {
    auto present = os::find_link(host, parent_name(link));
    if (!present) return {};
    const bool made_here = link.parent.empty() ? present->kind == "dummy" : present->kind == "vlan" && parse_vlan(link.parent).has_value();
    if (!made_here) return {};
    os::NetlinkBatch batch;
    os::remove_link(batch, present->index);
    return host.transact(batch);
}

Result<Interface> attach_to_parent(os::NetlinkSocket& host, Namespace& space, const ParentLink& link, const std::string& mode, const std::string& flag,
                                   bool ipv6, const std::string& inner_name, std::optional<os::MacAddress> mac) {
    Interface interface{.name = inner_name, .mac = mac ? *mac : os::random_mac()};
    TRY(choose_ipv6(space, ipv6));
    const os::Link parent = TRY(os::find_link(host, parent_name(link)));
    os::ChildLink child{.kind = link.driver, .name = inner_name, .parent = parent.index, .network_namespace = space.descriptor.get()};
    if (link.driver == "macvlan") {
        child.mode32 = macvlan_mode(mode);
        child.mac = interface.mac;
    } else {
        child.mode16 = ipvlan_mode(mode);
        child.flag16 = ipvlan_flag(flag);
    }
    os::NetlinkBatch batch;
    os::add_child_link(batch, child);
    TRY(host.transact(batch));
    const os::Link made = TRY(os::find_link(space.netlink, inner_name));
    interface.index = made.index;
    interface.mac = made.mac;
    os::NetlinkBatch up;
    os::set_link(up, interface.index, {.up = true});
    TRY(space.netlink.transact(up));
    return interface;
}

}  // namespace proa::network
