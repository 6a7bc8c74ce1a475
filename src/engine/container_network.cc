#include "engine/container_network.h"

#include "engine/networks.h"
#include "os/ip_address.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

bool is_predefined(std::string_view name) { return name == "bridge" || name == "host" || name == "none" || name == "default"; }

/// The name by which a network is known, where it exists.
std::string canonical(Parts& parts, const std::string& name) {
    if (name == "default") return "bridge";
    auto network = parts.network.find(name);
    return network ? (*network)->name() : name;
}

}  // namespace

Result<void> check_endpoint_settings(const std::string& network, const docker::EndpointSettings& settings) {
    std::vector<std::string> faults;
    if (is_predefined(network)) {
        bool fixed = settings.ipam_config && (!settings.ipam_config->ipv4_address.empty() || !settings.ipam_config->ipv6_address.empty());
        if (fixed) faults.push_back("user specified IP address is supported on user defined networks only");
        if (settings.aliases && !settings.aliases->empty()) faults.push_back("network-scoped alias is supported only for containers in user defined networks");
    }
    if (settings.ipam_config) {
        auto& ipam = *settings.ipam_config;
        auto v4 = os::IpAddress::parse(ipam.ipv4_address), v6 = os::IpAddress::parse(ipam.ipv6_address);
        if (!ipam.ipv4_address.empty() && (!v4 || !v4->is_v4() || v4->is_unspecified())) faults.push_back(concat("invalid IPv4 address: ", ipam.ipv4_address));
        if (!ipam.ipv6_address.empty() && (!v6 || !v6->is_v6() || v6->is_unspecified())) faults.push_back(concat("invalid IPv6 address: ", ipam.ipv6_address));
        for (auto& text : ipam.link_local_ips)
            if (!os::IpAddress::parse(text)) faults.push_back(concat("invalid link-local IP address: ", text));
    }
    if (!faults.empty()) return invalid(concat("invalid config for network ", network, ": invalid endpoint settings:\n", join(faults, "\n")));
    if (!settings.mac_address.empty() && !os::parse_mac(settings.mac_address)) return invalid(concat("invalid MAC address ", settings.mac_address, ": invalid"));
    return {};
}

Result<void> settle_networks(Parts& parts, container::Record& record, const std::optional<docker::NetworkingConfig>& request) {
    auto& mode = record.host_config.network_mode;
    if (mode.starts_with("container:")) return {};
    std::string primary = is_predefined(mode) ? mode : canonical(parts, mode);
    record.networks[primary];
    std::string& mac = record.config.mac_address;
    if (!mac.empty()) {
        if (!os::parse_mac(mac)) return invalid(concat(mac, " is not a valid mac address"));
        if (mode == "host") return invalid("conflicting options: mac-address and the network mode");
        record.wanted_macs[primary] = mac;
    }
    if (!request) return {};
    for (auto& [given, endpoint] : request->endpoints_config) {
        std::string name = canonical(parts, given);
        bool further = name != primary;
        if (further && (mode == "host" || mode == "none" || name == "host" || name == "none"))
            return invalid("container cannot be connected to multiple networks with one of the networks in private (none) mode");
        if (!endpoint) {
            record.networks[name];
            continue;
        }
        TRY(check_endpoint_settings(name, *endpoint));
        // What only a running container has is not the client's to say.
        docker::EndpointSettings own;
        own.ipam_config = endpoint->ipam_config;
        own.links = endpoint->links;
        own.aliases = endpoint->aliases;
        own.driver_opts = endpoint->driver_opts;
        own.gw_priority = endpoint->gw_priority;
        if (!endpoint->mac_address.empty()) {
            bool contradicts = !further && !mac.empty() && os::parse_mac(mac) != os::parse_mac(endpoint->mac_address);
            if (contradicts) return invalid("the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty");
            record.wanted_macs[name] = own.mac_address = endpoint->mac_address;
        }
        record.networks[name] = std::move(own);
    }
    return {};
}

}  // namespace proa::engine
