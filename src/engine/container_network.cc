#include "engine/container_network.h"

namespace proa::engine {

Result<std::map<std::string, docker::EndpointSettings>> initial_networks(const docker::HostConfig& host,
                                                                         const std::optional<docker::NetworkingConfig>& request) {
    std::map<std::string, docker::EndpointSettings> networks;
    if (host.network_mode.starts_with("container:")) return networks;
    auto& own = networks[host.network_mode];
    if (!request) return networks;
    for (auto& [name, endpoint] : request->endpoints_config) {
        std::string network = name == "default" ? "bridge" : name;
        if (network != host.network_mode)
            return fail(ErrorKind::Unsupported, concat("network ", network, ": a container with several networks is not supported yet by this engine"));
        if (!endpoint) continue;
        bool static_address = endpoint->ipam_config && (!endpoint->ipam_config->ipv4_address.empty() || !endpoint->ipam_config->ipv6_address.empty());
        if (static_address && network == "bridge")
            return fail(ErrorKind::InvalidArgument, "invalid config for network bridge: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only");
        if (endpoint->aliases && !endpoint->aliases->empty() && network == "bridge")
            return fail(ErrorKind::InvalidArgument, "invalid config for network bridge: invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks");
        if (!endpoint->mac_address.empty()) return fail(ErrorKind::Unsupported, "MacAddress is not supported yet by this engine");
        if (endpoint->links && !endpoint->links->empty()) return fail(ErrorKind::Unsupported, "Links is not supported yet by this engine");
        own.aliases = endpoint->aliases;
        own.driver_opts = endpoint->driver_opts;
    }
    return networks;
}

}  // namespace proa::engine
