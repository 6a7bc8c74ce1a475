#include "engine/network_attachment.h"

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "engine/container_files.h"
#include "network/parent_link.h"

namespace proa::engine {

namespace {

using container::Record;

constexpr size_t kEndpointDigits = 8;  // of the endpoint's id in the name of the host end

std::string option_of(const docker::EndpointSettings& settings, const std::string& name) {
    if (!settings.driver_opts) return "";
    auto found = settings.driver_opts->find(name);
    return found == settings.driver_opts->end() ? "" : found->second;
}

/// The endpoint's id begins as the host end's name ends, so that a boot pass knows whose it is.
std::string endpoint_id_of(const network::Interface& interface) {
    if (interface.host_name.empty()) return random_id();
    return interface.host_name.substr(interface.host_name.size() - kEndpointDigits) + random_id().substr(kEndpointDigits);
}

std::string interface_name(const Membership& membership, std::map<std::string, int>& numbers) {
    auto wanted = option_of(membership.settings, "com.docker.network.endpoint.ifname");
    if (!wanted.empty()) return wanted;
    auto& prefix = membership.network->live().options.interface_prefix;
    return concat(prefix, numbers[prefix]++);
}

/// "net.ipv4.conf.IFNAME.log_martians=1,..." Spec: daemon.md section 11
Result<void> apply_endpoint_sysctls(network::Namespace& space, const docker::EndpointSettings& settings, const std::string& interface) {
    auto list = option_of(settings, "com.docker.network.endpoint.sysctls");
    if (list.empty()) return {};
    return network::run_inside(space.descriptor.get(), [&]() -> Result<void> {
        for (auto& entry : split_nonempty(list, ',')) {
            auto sides = cut(entry, "=");
            if (!sides || !sides->first.starts_with("net.") || sides->first.find(".IFNAME.") == std::string::npos)
                return fail(ErrorKind::InvalidArgument, concat("invalid endpoint sysctl setting ", quote(entry), ": it must be net.X.Y.IFNAME.Z=value"));
            TRY(network::write_sysctl(replace_all(sides->first, "IFNAME", interface), std::string(sides->second)));
        }
        return {};
    });
}

Result<std::optional<os::IpAddress>> wanted_address(const Network& network, const std::string& text, bool ipv6) {
    if (text.empty()) return std::optional<os::IpAddress>();
    auto address = os::IpAddress::parse(text);
    auto invalid = [&](std::string why) {
        return fail(ErrorKind::InvalidArgument, concat("invalid config for network ", network.name(), ": invalid endpoint settings:\n", why));
    };
    if (!address || address->is_v6() != ipv6) return invalid(concat("invalid ", ipv6 ? "IPv6" : "IPv4", " address: ", text));
    if (network.is_predefined()) return invalid("user specified IP address is supported on user defined networks only");
    if (!(ipv6 ? network.record().own_subnet6 : network.record().own_subnet))
        return invalid("user specified IP address is supported only when connecting to networks with user configured subnets");
    auto* addresses = network.addresses();
    auto& subnet = ipv6 ? addresses->subnet6() : addresses->subnet();
    if (!subnet.contains(*address)) return invalid(concat("no configured subnet contains IP address ", text));
    return address;
}

network::Endpoint endpoint_of(const docker::EndpointSettings& settings) {
    network::Endpoint endpoint;
    if (auto address = os::IpAddress::parse(settings.ip_address)) endpoint.address = {*address, static_cast<int>(settings.ip_prefix_len)};
    if (auto address = os::IpAddress::parse(settings.global_ipv6_address)) endpoint.address6 = {*address, static_cast<int>(settings.global_ipv6_prefix_len)};
    return endpoint;
}

std::string wanted_mac(const Record& record, const std::string& network) {
    auto found = record.wanted_macs.find(network);
    return found == record.wanted_macs.end() ? "" : found->second;
}

/// Networks of a container in the order of its interfaces: the one of its network mode, then by name.
Result<std::vector<Membership>> resolve_networks(Networks& networks, const Record& record) {
    std::vector<Membership> memberships;
    for (auto& [name, settings] : record.networks) {
        // Known by its id while it lives: a network of the same name made since is another one.
        auto network = networks.find(name);
        if (!network) return fail(ErrorKind::NotFound, concat("network ", name, " not found"));
        memberships.push_back({.network = *network, .settings = settings});
    }
    auto& mode = record.host_config.network_mode;
    std::stable_sort(memberships.begin(), memberships.end(), [&](auto& a, auto& b) {
        auto is_first = [&](auto& m) { return m.network->name() == mode || m.network->id() == mode; };
        return is_first(a) > is_first(b);
    });
    return memberships;
}

/// A ready one, whose user namespace is the one of userns-remap when there is any; `host_ids`: `--userns host`.
Result<network::Sandbox> take_sandbox(network::NamespacePool& pool, bool host_ids) { return host_ids ? pool.take_for_host() : pool.take(); }

/// The first interface of a container on the default bridge comes ready made.
Result<void> take_ready_interface(Networks& networks, NetworkAttachment& attachment, Membership& membership, const network::Endpoint& endpoint, bool host_ids) {
    attachment.sandbox = TRY(take_sandbox(networks.bridge_pool(), host_ids));
    auto& sandbox = *attachment.sandbox;
    network::Endpoint own = endpoint;
    if (!membership.gateway4) own.gateway = {};
    if (!membership.gateway6) own.gateway6 = {};
    TRY(network::configure(sandbox, own));
    membership.settings.mac_address = os::mac_text(sandbox.interface.mac);
    membership.settings.endpoint_id = endpoint_id_of(sandbox.interface);
    return apply_endpoint_sysctls(sandbox.space, membership.settings, sandbox.interface.name);
}

Result<void> make_interfaces(Networks& networks, NetworkAttachment& attachment, std::vector<Membership>& memberships,
                             const std::vector<network::Endpoint>& endpoints, bool host_ids) {
    std::map<std::string, int> numbers;
    size_t made = 0;
    bool ready_made = memberships[0].network->is_default_bridge() && option_of(memberships[0].settings, "com.docker.network.endpoint.ifname").empty();
    if (ready_made) {
        (void)interface_name(memberships[0], numbers);
        TRY(take_ready_interface(networks, attachment, memberships[0], endpoints[0], host_ids));
        made = 1;
    } else {
        attachment.sandbox = TRY(take_sandbox(networks.named_pool(), host_ids));
    }
    auto& space = attachment.sandbox->space;
    for (; made < memberships.size(); made++)
        TRY(make_interface(networks, space, memberships[made], endpoints[made], interface_name(memberships[made], numbers)));
    if (uses_resolver(memberships) && !space.resolver.udp)
        TRY(network::run_inside(space.descriptor.get(), [&]() -> Result<void> {
            space.resolver = TRY(network::open_resolver_sockets());
            return {};
        }));
    return {};
}

Result<NetworkAttachment> attach_predefined(Networks& networks, const Record& record, const std::string& mode) {
    NetworkAttachment attachment;
    attachment.networks = record.networks;
    auto network = TRY(networks.find(mode));
    TRY(network->enter(record.id));
    auto& endpoint = attachment.networks[mode];
    endpoint.network_id = network->id();
    endpoint.endpoint_id = random_id();
    if (mode == "none") attachment.sandbox = TRY(take_sandbox(networks.bare_pool(), record.host_config.userns_mode == "host"));
    return attachment;
}

}  // namespace

std::vector<std::string> dns_names(const Record& record, const docker::EndpointSettings& settings) {
    std::vector<std::string> names{record.name};
    auto add = [&](std::string name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    };
    for (auto& alias : settings.aliases.value_or(std::vector<std::string>())) add(alias);
    add(std::string(short_id(record.id)));
    add(record.config.hostname);
    return names;
}

bool uses_resolver(const std::vector<Membership>& memberships) {
    return std::any_of(memberships.begin(), memberships.end(), [](auto& membership) { return membership.network->has_names(); });
}

void choose_gateways(std::vector<Membership>& memberships) {
    auto choose = [&](std::string docker::EndpointSettings::*gateway, bool Membership::*chosen) {
        Membership* best = nullptr;
        for (auto& membership : memberships) {
            membership.*chosen = false;
            if ((membership.settings.*gateway).empty() || membership.network->internal()) continue;
            bool better = !best || membership.settings.gw_priority > best->settings.gw_priority ||
                          (membership.settings.gw_priority == best->settings.gw_priority && membership.network->name() < best->network->name());
            if (better) best = &membership;
        }
        if (best) best->*chosen = true;
    };
    choose(&docker::EndpointSettings::gateway, &Membership::gateway4);
    choose(&docker::EndpointSettings::ipv6_gateway, &Membership::gateway6);
}

std::optional<PortTarget> port_target(const std::vector<Membership>& memberships) {
    std::optional<PortTarget> target;
    for (auto& membership : memberships) {
        if (!membership.network->live().bridge || (!membership.gateway4 && !membership.gateway6)) continue;
        if (!target) target.emplace();
        auto& settings = membership.settings;
        if (membership.gateway4) target->address = os::IpAddress::parse(settings.ip_address).value_or(os::IpAddress());
        if (membership.gateway6) target->address6 = os::IpAddress::parse(settings.global_ipv6_address).value_or(os::IpAddress());
        if (membership.gateway4 || target->endpoint_id.empty()) {
            target->endpoint_id = settings.endpoint_id;
            target->host_binding = membership.network->live().options.host_binding;
        }
    }
    return target;
}

Result<network::Endpoint> take_endpoint(const NetworkPointer& network, const std::string& container_id, docker::EndpointSettings& settings,
                                        const std::string& wanted_mac) {
    network::AddressRequest request;
    if (settings.ipam_config) {
        request.address = TRY(wanted_address(*network, settings.ipam_config->ipv4_address, false));
        request.address6 = TRY(wanted_address(*network, settings.ipam_config->ipv6_address, true));
    }
    if (!wanted_mac.empty()) {
        request.mac = os::parse_mac(wanted_mac);
        if (!request.mac) return fail(ErrorKind::InvalidArgument, concat("invalid MAC address: ", wanted_mac));
    }
    TRY(network->enter(container_id));
    auto endpoint = network->addresses()->allocate(container_id, request);
    if (!endpoint) {
        network->leave(container_id);
        return fail(std::move(endpoint).error());
    }
    settings.network_id = network->id();
    settings.gateway = endpoint->gateway.text();
    settings.ipv6_gateway = endpoint->gateway6.text();
    settings.ip_address = endpoint->address.address.text();
    settings.ip_prefix_len = endpoint->address.is_none() ? 0 : endpoint->address.length;
    settings.global_ipv6_address = endpoint->address6.address.text();
    settings.global_ipv6_prefix_len = endpoint->address6.is_none() ? 0 : endpoint->address6.length;
    return endpoint;
}

void give_endpoint_back(const NetworkPointer& network, const std::string& container_id, const docker::EndpointSettings& settings) {
    if (auto* addresses = network->addresses()) addresses->release(endpoint_of(settings));
    network->leave(container_id);
}

Result<void> make_interface(Networks& networks, network::Namespace& space, Membership& membership, const network::Endpoint& endpoint, const std::string& name) {
    auto& live = membership.network->live();
    auto& settings = membership.settings;
    network::Interface interface;
    TRY(networks.with_host([&](os::NetlinkSocket& host) -> Result<void> {
        if (live.bridge) {
            interface = TRY(network::attach_interface(host, space, live.bridge->bridge(), name, Networks::kInterfacePrefix, endpoint.mac));
        } else {
            network::ParentLink parent{.driver = membership.network->shown().driver, .parent = live.parent.parent, .dummy = concat("dm-", short_id(membership.network->id()))};
            interface = TRY(network::attach_to_parent(host, space, parent, live.parent.mode, live.parent.flag, membership.network->shown().enable_ipv6, name, endpoint.mac));
        }
        return {};
    }));
    network::Endpoint own = endpoint;
    own.mac.reset();  // the interface was born with it
    if (!membership.gateway4) own.gateway = {};
    if (!membership.gateway6) own.gateway6 = {};
    auto configured = [&]() -> Result<void> {
        TRY(network::configure(space.netlink, interface, own));
        if (settings.ipam_config)
            for (auto& text : settings.ipam_config->link_local_ips) {
                auto address = os::IpAddress::parse(text);
                if (!address) return fail(ErrorKind::InvalidArgument, concat("invalid link-local IP address: ", text));
                os::NetlinkBatch batch;
                os::add_address(batch, interface.index, {*address, address->is_v4() ? 16 : 64});
                TRY(space.netlink.transact(batch));
            }
        return apply_endpoint_sysctls(space, settings, name);
    }();
    if (!configured) {
        (void)network::detach_interface(space, interface);
        return configured;
    }
    settings.mac_address = os::mac_text(interface.mac);
    settings.endpoint_id = endpoint_id_of(interface);
    return {};
}

Result<NetworkAttachment> attach_networks(Parts& parts, const Record& record) {
    auto& networks = parts.network;
    auto& mode = record.host_config.network_mode;
    NetworkAttachment attachment;
    attachment.networks = record.networks;
    if (mode.starts_with("container:")) return attachment;
    if (mode == "host" || mode == "none") return attach_predefined(networks, record, mode);
    auto memberships = TRY(resolve_networks(networks, record));
    if (memberships.empty()) {  // disconnected from all of them
        attachment.sandbox = TRY(take_sandbox(networks.bare_pool(), record.host_config.userns_mode == "host"));
        return attachment;
    }
    std::vector<network::Endpoint> endpoints;
    auto attached = [&]() -> Result<void> {
        for (auto& membership : memberships)
            endpoints.push_back(TRY(take_endpoint(membership.network, record.id, membership.settings, wanted_mac(record, membership.network->name()))));
        choose_gateways(memberships);
        TRY(make_interfaces(networks, attachment, memberships, endpoints, record.host_config.userns_mode == "host"));
        static_cast<PublishedPorts&>(attachment) = TRY(networks.ports().publish(record, port_target(memberships)));
        return {};
    }();
    if (!attached) {
        for (size_t i = 0; i < endpoints.size(); i++) give_endpoint_back(memberships[i].network, record.id, memberships[i].settings);
        return fail(std::move(attached).error());
    }
    attachment.networks.clear();
    for (auto& membership : memberships) {
        if (membership.network->has_names()) membership.settings.dns_names = dns_names(record, membership.settings);
        attachment.networks[membership.network->name()] = std::move(membership.settings);
    }
    return attachment;
}

std::vector<Membership> memberships_of(Networks& networks, const Record& record, bool live_only) {
    std::vector<Membership> memberships;
    for (auto& [name, settings] : record.networks) {
        if (live_only && settings.endpoint_id.empty()) continue;
        auto network = networks.find(settings.network_id.empty() ? name : settings.network_id);
        if (network) memberships.push_back({.network = *network, .settings = settings});
    }
    auto& mode = record.host_config.network_mode;
    std::stable_sort(memberships.begin(), memberships.end(), [&](auto& a, auto& b) { return (a.network->name() == mode) > (b.network->name() == mode); });
    choose_gateways(memberships);
    return memberships;
}

resolver::Container resolver_view(Parts& parts, const Record& record) {
    resolver::Container view{.id = record.id, .forwards = false};
    for (auto& membership : memberships_of(parts.network, record, true)) {
        auto& [network, settings, gateway4, gateway6] = membership;
        view.forwards |= !network->internal();
        if (!network->has_names()) continue;
        resolver::Endpoint endpoint{.network_id = network->id(), .network_name = network->name(), .names = dns_names(record, settings),
                                    .address = settings.ip_address, .address6 = settings.global_ipv6_address};
        for (auto& text : settings.links.value_or(std::vector<std::string>())) {
            auto sides = cut(text, ":");
            std::string target(trim_prefix(sides ? sides->first : std::string_view(text), "/"));
            endpoint.links.push_back({std::string(sides ? sides->second : std::string_view(target)), target});
        }
        view.endpoints.push_back(std::move(endpoint));
    }
    add_dns_settings(parts, record, view);
    return view;
}

void begin_names(Parts& parts, const Record& record, network::ResolverSockets sockets) {
    auto view = resolver_view(parts, record);
    if (view.endpoints.empty()) return;
    auto begun = parts.network.names().add(view, record.state.pid, std::move(sockets));
    if (!begun) log::error(concat("container ", record.id, " has no name server: ", begun.error().message()));
}

void detach_networks(Parts& parts, const Record& record) {
    auto& networks = parts.network;
    networks.names().remove(record.id);
    networks.ports().withdraw(record.id);
    for (auto& [name, settings] : record.networks) {
        if (settings.network_id.empty()) continue;
        if (auto network = networks.find(settings.network_id)) give_endpoint_back(*network, record.id, settings);
    }
}

Result<void> adopt_networks(Parts& parts, const Record& record) {
    auto& networks = parts.network;
    auto memberships = memberships_of(networks, record, true);
    for (auto& membership : memberships) {
        // The container runs and goes on, whatever its network has become.
        auto restored = membership.network->enter(record.id);
        auto* addresses = membership.network->addresses();
        if (restored && addresses) restored = addresses->restore(record.id, endpoint_of(membership.settings));
        if (!restored) log::error(concat("container ", record.id, " on network ", membership.network->name(), ": ", restored.error().message()));
    }
    if (auto target = port_target(memberships)) TRY(networks.ports().adopt(record, *target));
    if (auto view = resolver_view(parts, record); !view.endpoints.empty()) networks.names().adopt(view, record.state.pid);
    return {};
}

Result<void> reconcile_networks(Parts& parts) {
    std::vector<std::string> interfaces;
    for (auto& container : parts.containers.all())
        container->read([&](const Record& record) {
            for (auto& [name, settings] : record.networks)
                if (settings.endpoint_id.size() >= kEndpointDigits) interfaces.push_back(Networks::kInterfacePrefix + settings.endpoint_id.substr(0, kEndpointDigits));
        });
    return parts.network.reconcile(interfaces);
}

}  // namespace proa::engine
