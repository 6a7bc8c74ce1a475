#pragma once
#include "container/container.h"
#include "engine/parts.h"

namespace proa::engine {

/// One container takes the place of another one: an extension of ours to `update`.
struct TakeOver {
    std::string container;                                     ///< whose place it takes
    std::map<std::string, std::vector<std::string>> aliases;  ///< by network: under which it is found from now on; the other one is by none
};

/// Ports that a container publishes from now on and no more: an extension of ours to `update`.
struct PortChanges {
    docker::PortMap publish_add;
    std::vector<std::string> publish_remove;  ///< as the container has them: "80/tcp"; "80" means tcp
    std::optional<TakeOver> take_over;        ///< before the other changes
};
/// At once when the container runs, and for every later start. Connections of removed ports go on.
/// Errors: InvalidArgument (host or shared network, an unknown port), Internal with Docker's words when a port is taken.
/// With `take_over` all ports of the other container lead into this one, each in one step, so that no new connection is refused; both must be on
/// a network and this one must run. Connections of the other one go on. Where the other one does not run, its ports are published anew.
/// Further errors: NotFound for the other container, Conflict when this one does not run.
Result<void> change_published_ports(Parts& parts, const container::ContainerPointer& container, const PortChanges& changes);

}  // namespace proa::engine

PROA_JSON_DECLARE(proa::engine::PortChanges)
PROA_JSON_DECLARE(proa::engine::TakeOver)
