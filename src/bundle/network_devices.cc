#include "bundle/network_devices.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>

#include "base/text.h"
#include "bundle/config_numbers.h"
#include "os/file.h"
#include "os/links.h"

namespace proa::bundle {

namespace {
bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." && name.find_first_of("/: \t\n") == std::string_view::npos;
}

/// A netlink socket inside the namespace, opened by a short visit.
Result<os::NetlinkSocket> open_inside(int network_namespace) {
    os::Fd own = TRY(os::open_file("/proc/self/ns/net", O_RDONLY));
    if (::setns(network_namespace, CLONE_NEWNET) < 0) return fail_errno("join the container's network namespace");
    auto socket = os::NetlinkSocket::open(NETLINK_ROUTE);
    if (::setns(own.get(), CLONE_NEWNET) < 0) return fail_errno("return to the own network namespace");
    return socket;
}

Result<void> move_device(os::NetlinkSocket& outside, os::NetlinkSocket& inside, const NetworkDevice& device, int network_namespace) {
    os::Link link = TRY(os::find_link(outside, device.host_name));
    if (os::find_link(inside, device.name)) return fail(ErrorKind::Conflict, concat("the container already has an interface ", device.name));
    std::vector<os::IpPrefix> addresses;
    for (auto& entry : TRY(os::list_addresses(outside)))
        if (entry.link == link.index && !(entry.prefix.address.is_v6() && entry.prefix.address.is_link_local())) addresses.push_back(entry.prefix);
    os::NetlinkBatch move;
    os::LinkChange away;
    away.up = false;
    away.name = device.name;
    away.network_namespace = network_namespace;
    os::set_link(move, link.index, away);
    TRY(outside.transact(move));
    os::Link moved = TRY(os::find_link(inside, device.name));
    os::NetlinkBatch settle;
    for (auto& address : addresses) os::add_address(settle, moved.index, address);
    os::LinkChange up;
    up.up = true;
    os::set_link(settle, moved.index, up);
    return inside.transact(settle);
}
}  // namespace

Result<std::vector<NetworkDevice>> network_devices_of(const json::Value& devices) {
    std::vector<NetworkDevice> list;
    for (auto& member : devices.as_object()) {
        NetworkDevice device{member.name, member.value["name"].as_string()};
        if (device.name.empty()) device.name = device.host_name;
        for (auto& name : {device.host_name, device.name})
            if (!is_interface_name(name)) return invalid(concat("linux.netDevices: invalid interface name ", quote(name)));
        if (std::any_of(list.begin(), list.end(), [&](auto& other) { return other.name == device.name; }))
            return invalid(concat("linux.netDevices: two devices want the name ", quote(device.name)));
        list.push_back(std::move(device));
    }
    return list;
}

Result<void> move_network_devices(const std::vector<NetworkDevice>& devices, pid_t pid) {
    if (devices.empty()) return {};
    os::Fd space = TRY(os::open_file(concat("/proc/", pid, "/ns/net"), O_RDONLY));
    auto outside = TRY(os::NetlinkSocket::open(NETLINK_ROUTE));
    auto inside = TRY(open_inside(space.get()));
    for (auto& device : devices) TRY_WRAP(concat("move network device ", device.host_name), move_device(outside, inside, device, space.get()));
    return {};
}

}  // namespace proa::bundle
