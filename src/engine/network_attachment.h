#pragma once
#include <optional>

#include "engine/networks.h"
#include "engine/parts.h"
#include "network/sandbox.h"
#include "resolver/protocol.h"

namespace proa::engine {

/// What a start gets from the network: handed to the shim, or dropped again when the start fails.
struct NetworkAttachment : PublishedPorts {
    std::optional<network::Sandbox> sandbox;          ///< none: host network, or joined
    std::map<std::string, docker::EndpointSettings> networks;
};

/// Namespace, interfaces, addresses and published ports for a start. Errors: NotFound "network x not found", Forbidden "Address already in
/// use", Internal with Docker's "driver failed programming external connectivity on endpoint ..." when a port is taken.
Result<NetworkAttachment> attach_networks(Parts& parts, const container::Record& record);
/// After the launch: names are answered from now on. `record` has the endpoints.
void begin_names(Parts& parts, const container::Record& record, network::ResolverSockets sockets);
/// Gives addresses, ports and names back. Idempotent.
void detach_networks(Parts& parts, const container::Record& record);
/// Takes over what a running container of an earlier daemon has.
Result<void> adopt_networks(Parts& parts, const container::Record& record);
/// After all have been adopted: the kernel has what the records say and nothing else.
Result<void> reconcile_networks(Parts& parts);

/// One network of a container.
struct Membership {
    NetworkPointer network;
    docker::EndpointSettings settings;
    bool gateway4 = false, gateway6 = false;  ///< the container's default routes lead there
};
/// Which of them give the default routes: by gw-priority, then by name; internal ones never.
void choose_gateways(std::vector<Membership>& memberships);
/// Those of the record whose networks still exist, in the order of their interfaces. `live_only`: with an endpoint.
std::vector<Membership> memberships_of(Networks& networks, const container::Record& record, bool live_only);
std::optional<PortTarget> port_target(const std::vector<Membership>& memberships);

/// Takes addresses for `container_id` and fills the settings with them. Errors: as attach_networks().
Result<network::Endpoint> take_endpoint(const NetworkPointer& network, const std::string& container_id, docker::EndpointSettings& settings,
                                        const std::string& wanted_mac);
void give_endpoint_back(const NetworkPointer& network, const std::string& container_id, const docker::EndpointSettings& settings);
/// Makes the interface, gives it its addresses (routes only where `membership` is a gateway) and notes MAC and endpoint id.
Result<void> make_interface(Networks& networks, network::Namespace& space, Membership& membership, const network::Endpoint& endpoint, const std::string& name);

/// The names that a container has on a network: its own, its aliases, its short id and its hostname.
std::vector<std::string> dns_names(const container::Record& record, const docker::EndpointSettings& settings);
resolver::Container resolver_view(Parts& parts, const container::Record& record);
/// Whether its /etc/resolv.conf leads to 127.0.0.11.
bool uses_resolver(const std::vector<Membership>& memberships);

}  // namespace proa::engine
