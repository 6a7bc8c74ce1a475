#include "engine/create_network.h"

#include "base/id.h"
#include "engine/networks.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

Result<void> check_name(const std::string& name) {
    if (trim(name).empty()) return invalid("invalid network name: name is empty");
    if (name == "bridge" || name == "host" || name == "none" || name == "default")
        return fail(ErrorKind::Forbidden, concat("operation is not permitted on predefined ", name, " network"));
    if (name.starts_with("container:")) return invalid(concat("Invalid network name: ", name));
    return {};
}

Result<void> check_driver(const docker::Network& request) {
    auto& driver = request.driver;
    if (request.scope == "swarm" || request.ingress || driver == "overlay")
        return fail(ErrorKind::Unavailable, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
    if (request.scope == "global") return fail(ErrorKind::Unsupported, "network scope global is not supported by this engine");
    auto known = network_driver(driver);
    if (!known) return fail(ErrorKind::NotFound, concat("could not find plugin ", driver, " in v1 plugin registry: plugin ", quote(driver), " not found"));
    if (*known == NetworkDriver::Host || *known == NetworkDriver::None)
        return fail(ErrorKind::Forbidden, concat("only one instance of ", quote(*known == NetworkDriver::Host ? "host" : "null"), " network is allowed"));
    auto& ipam = request.ipam.driver;
    if (!ipam.empty() && ipam != "default") return fail(ErrorKind::NotFound, concat("could not find plugin ", ipam, " in v1 plugin registry: plugin ", quote(ipam), " not found"));
    return {};
}

/// `--config-from`: everything that a network of that kind may be told comes from the other one.
Result<void> take_configuration(Parts& parts, docker::Network& request) {
    if (request.config_from.network.empty()) return {};
    auto from = parts.network.find(request.config_from.network);
    if (!from || (*from)->driver() != NetworkDriver::Configuration) return fail(ErrorKind::NotFound, concat("network ", request.config_from.network, " not found"));
    bool own = !request.options.empty() || (request.ipam.config && !request.ipam.config->empty());
    if (own) return fail(ErrorKind::Forbidden, "user specified configurations are not supported if the network depends on a configuration network");
    auto& shown = (*from)->shown();
    request.ipam = shown.ipam;
    request.options = shown.options;
    request.enable_ipv6 = shown.enable_ipv6;
    for (auto& [name, value] : shown.labels) request.labels.try_emplace(name, value);
    return {};
}

Result<void> settle_families(docker::Network& request) {
    for (auto& [name, into] : {std::pair{"com.docker.network.enable_ipv4", &request.enable_ipv4}, {"com.docker.network.enable_ipv6", &request.enable_ipv6}}) {
        auto option = request.options.find(name);
        if (option == request.options.end()) continue;
        auto value = parse_bool(option->second);
        if (!value) return invalid(concat("driver-opt ", quote(name), " is not a valid bool"));
        *into = *value;
    }
    if (!request.enable_ipv4 && !request.enable_ipv6) return invalid("IPv4 or IPv6 must be enabled");
    return {};
}

}  // namespace

Result<CreatedNetwork> create_network(Parts& parts, docker::Network request) {
    TRY(check_name(request.name));
    if (request.driver.empty() || request.driver == "default") request.driver = "bridge";
    TRY(check_driver(request));
    TRY(take_configuration(parts, request));
    TRY(settle_families(request));
    NetworkRecord record;
    record.shown = std::move(request);
    auto& shown = record.shown;
    shown.id = random_id();
    shown.created = now();
    shown.scope = "local";
    shown.containers.clear();
    if (shown.ipam.driver.empty()) shown.ipam.driver = "default";
    if (!shown.ipam.config) shown.ipam.config.emplace();
    if (shown.driver == "bridge") TRY(parse_bridge_options(shown.options, 0));
    TRY(parse_ipam(shown.ipam, shown.enable_ipv4, shown.enable_ipv6));
    auto network = TRY(parts.network.add(std::move(record)));
    parts.events.publish("network", "create", network->id(), {{"name", network->name()}, {"type", network->shown().driver}});
    return CreatedNetwork{network->id(), join(parts.network.warnings_of(*network), "\n")};
}

}  // namespace proa::engine
