#include "engine/connect_container.h"

#include <fcntl.h>
#include <linux/netlink.h>

#include "base/log.h"
#include "engine/container_events.h"
#include "engine/container_files.h"
#include "engine/container_network.h"
#include "engine/network_attachment.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

Result<network::Namespace> enter_namespace(const Record& record) {
    network::Namespace space;
    space.descriptor = TRY(os::open_file(concat("/proc/", record.state.pid, "/ns/net"), O_RDONLY));
    space.netlink = TRY(network::open_netlink_inside(space.descriptor.get(), NETLINK_ROUTE));
    return space;
}

bool is_live(const Record& record) { return record.state.running && !record.state.restarting && record.state.pid != 0; }

Result<void> check_mode(const Record& record, const Network& network) {
    auto invalid = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    auto& mode = record.host_config.network_mode;
    if (mode.starts_with("container:"))
        return invalid("container sharing network namespace with another container or host cannot be connected to any other network");
    if (mode == "host" || network.name() == "host") return invalid("container cannot be disconnected from host network or connected to host network");
    if (mode == "none" || network.name() == "none") return invalid("container cannot be connected to multiple networks with one of the networks in private (none) mode");
    if (network.driver() == NetworkDriver::Configuration) return fail(ErrorKind::Forbidden, concat("configuration network ", network.name(), " cannot have containers"));
    return {};
}

/// Whether it is the network of the container's network mode, to which the container-wide MAC address belongs.
bool is_main_network(const Parts& parts, const Record& record, const Network& network) {
    auto main = parts.network.find(record.host_config.network_mode);
    return main && (*main)->id() == network.id();
}

/// "eth0", "eth1" ...: the first that the namespace has not.
std::string free_name(os::NetlinkSocket& inside, const Membership& membership) {
    auto& options = membership.settings.driver_opts;
    if (options)
        if (auto wanted = options->find("com.docker.network.endpoint.ifname"); wanted != options->end()) return wanted->second;
    for (int number = 0;; number++) {
        std::string name = concat(membership.network->live().options.interface_prefix, number);
        if (!os::find_link(inside, name)) return name;
    }
}

Result<int> find_by_mac(os::NetlinkSocket& inside, const std::string& mac) {
    for (auto& link : TRY(os::list_links(inside)))
        if (os::mac_text(link.mac) == mac && link.index != 1) return link.index;
    return fail(ErrorKind::NotFound, concat("no interface with MAC address ", mac));
}

/// The container's default routes as its networks want them.
Result<void> set_default_routes(os::NetlinkSocket& inside, const std::vector<Membership>& memberships) {
    os::NetlinkBatch batch;
    for (auto& membership : memberships) {
        if (!membership.gateway4 && !membership.gateway6) continue;
        int link = TRY(find_by_mac(inside, membership.settings.mac_address));
        for (auto& [chosen, text] : {std::pair{membership.gateway4, &membership.settings.gateway}, {membership.gateway6, &membership.settings.ipv6_gateway}}) {
            auto gateway = os::IpAddress::parse(*text);
            if (!chosen || !gateway) continue;
            os::add_route(batch, {.gateway = *gateway, .link = link});
        }
    }
    return inside.transact(batch);
}

/// IPv6 routes of one metric stand beside each other instead of replacing, so the old one goes first.
Result<void> remove_default_routes(os::NetlinkSocket& inside) {
    for (auto& route : TRY(os::list_routes(inside))) {
        bool is_default = !route.destination || route.destination->length == 0;
        if (!is_default || route.gateway.is_none() || route.table != 254) continue;
        os::NetlinkBatch batch;
        os::remove_route(batch, route);
        TRY(inside.transact(batch));
    }
    return {};
}

Result<void> update_routes(Parts& parts, network::Namespace& space, const Record& record) {
    auto memberships = memberships_of(parts.network, record, true);
    TRY(remove_default_routes(space.netlink));
    TRY(set_default_routes(space.netlink, memberships));
    auto target = port_target(memberships);
    return parts.network.ports().move(record.id, target.value_or(PortTarget()));
}

/// /etc/hosts, /etc/resolv.conf and the names of a running container whose networks have changed.
Result<void> update_names(Parts& parts, const Record& record) {
    auto view = resolver_view(parts, record);
    auto& names = parts.network.names();
    if (!view.endpoints.empty() && !names.knows(record.id)) TRY(names.add(view, record.state.pid, {}));
    else if (view.endpoints.empty()) names.remove(record.id);
    else TRY(names.change(view));
    return update_container_files(parts, record);
}

/// With the operation held. The record is kept before the answer, and after the interface is there: a boot pass removes interfaces that no
/// record knows.
Result<void> connect_live(Parts& parts, const ContainerPointer& container, const NetworkPointer& network, docker::EndpointSettings settings) {
    auto record = container->record();
    Membership membership{.network = network, .settings = std::move(settings)};
    std::string mac = std::exchange(membership.settings.mac_address, "");
    auto space = TRY(enter_namespace(record));
    auto endpoint = TRY(take_endpoint(network, record.id, membership.settings, mac));
    auto connected = [&]() -> Result<void> {
        TRY(make_interface(parts.network, space, membership, endpoint, free_name(space.netlink, membership)));
        if (network->has_names()) membership.settings.dns_names = dns_names(record, membership.settings);
        record = container->change([&](Record& now) {
            now.networks[network->name()] = membership.settings;
            if (!mac.empty()) now.wanted_macs[network->name()] = mac;
            return now;
        });
        TRY(update_routes(parts, space, record));
        return parts.records.save(record, container::RecordStore::Durable::Yes);
    }();
    if (!connected) {
        container->change([&](Record& now) { now.networks.erase(network->name()); });
        if (auto index = find_by_mac(space.netlink, membership.settings.mac_address)) {
            os::NetlinkBatch batch;
            os::remove_link(batch, *index);
            (void)space.netlink.transact(batch);
        }
        give_endpoint_back(network, record.id, membership.settings);
        return connected;
    }
    if (auto named = update_names(parts, record); !named) log::error(concat("names of container ", record.id, ": ", named.error().message()));
    publish_network_event(parts.events, *network, record.id, "connect");
    return {};
}

Result<void> disconnect_live(Parts& parts, const ContainerPointer& container, const NetworkPointer& network, const docker::EndpointSettings& settings) {
    auto record = container->change([&](Record& now) {
        now.networks.erase(network->name());
        now.wanted_macs.erase(network->name());
        return now;
    });
    TRY(parts.records.save(record, container::RecordStore::Durable::Yes));
    auto left = [&]() -> Result<void> {
        auto space = TRY(enter_namespace(record));
        os::NetlinkBatch batch;
        os::remove_link(batch, TRY(find_by_mac(space.netlink, settings.mac_address)));
        TRY(space.netlink.transact(batch));
        return update_routes(parts, space, record);
    }();
    if (!left) log::warn(concat("container ", record.id, " leaves network ", network->name(), ": ", left.error().message()));
    give_endpoint_back(network, record.id, settings);
    if (auto named = update_names(parts, record); !named) log::error(concat("names of container ", record.id, ": ", named.error().message()));
    publish_network_event(parts.events, *network, record.id, "disconnect");
    return {};
}

}  // namespace

Result<void> connect_container(Parts& parts, const std::string& network_name, const ContainerPointer& container, docker::EndpointSettings settings) {
    std::lock_guard operation(container->operation());
    auto record = container->record();
    if (record.removing || record.state.dead) return fail(ErrorKind::Conflict, concat("container ", record.id, " is marked for removal and cannot be connected or disconnected to the network"));
    auto network = TRY(parts.network.find(network_name));
    TRY(check_mode(record, *network));
    TRY(check_endpoint_settings(network->name(), settings));
    if (settings.mac_address.empty() && is_main_network(parts, record, *network)) settings.mac_address = record.config.mac_address;
    if (is_live(record)) {
        if (record.networks.contains(network->name()))
            return fail(ErrorKind::Forbidden, concat("endpoint with name ", record.name, " already exists in network ", network->name()));
        return connect_live(parts, container, network, std::move(settings));
    }
    std::string mac = settings.mac_address;  // shown until the first start, as Docker shows it
    auto changed = container->change([&](Record& now) {
        now.networks[network->name()] = settings;
        if (!mac.empty()) now.wanted_macs[network->name()] = mac;
        return now;
    });
    return parts.records.save(changed, container::RecordStore::Durable::Yes);
}

Result<void> disconnect_container(Parts& parts, const std::string& network_name, const ContainerPointer& container) {
    std::lock_guard operation(container->operation());
    auto record = container->record();
    auto network = parts.network.find(network_name);
    std::string name = network ? (*network)->name() : network_name;
    auto& mode = record.host_config.network_mode;
    if (mode == "host") return fail(ErrorKind::InvalidArgument, "container cannot be disconnected from host network or connected to host network");
    auto known = record.networks.find(name);
    if (known == record.networks.end()) {
        if (!network) return fail(std::move(network).error());
        return fail(ErrorKind::Internal, concat("container ", record.id, " is not connected to the network ", name));
    }
    if (network && is_live(record) && mode != "none") return disconnect_live(parts, container, *network, known->second);
    auto changed = container->change([&](Record& now) {
        now.networks.erase(name);
        now.wanted_macs.erase(name);
        return now;
    });
    return parts.records.save(changed, container::RecordStore::Durable::Yes);
}

}  // namespace proa::engine
