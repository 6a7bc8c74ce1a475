#pragma once
#include "container/container.h"
#include "engine/parts.h"

namespace proa::engine {

/// Ports that a container publishes from now on and no more: an extension of ours to `update`.
struct PortChanges {
    docker::PortMap publish_add;
    std::vector<std::string> publish_remove;  ///< as the container has them: "80/tcp"; "80" means tcp
};
/// At once when the container runs, and for every later start. Connections of removed ports go on.
/// Errors: InvalidArgument (host or shared network, an unknown port), Internal with Docker's words when a port is taken.
Result<void> change_published_ports(Parts& parts, const container::ContainerPointer& container, const PortChanges& changes);

}  // namespace proa::engine

PROA_JSON_DECLARE(proa::engine::PortChanges)
