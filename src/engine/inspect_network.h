#pragma once
#include "engine/networks.h"
#include "engine/parts.h"
#include "schema/docker/filters.h"

namespace proa::engine {

/// With the running containers on it.
docker::Network inspect_network(Parts& parts, const NetworkPointer& network);
/// Without containers, as Docker's list. Filters: dangling, driver, id, label, label!, name, scope, type.
Result<std::vector<docker::Network>> list_networks(Parts& parts, const docker::Filters& filters);

}  // namespace proa::engine
