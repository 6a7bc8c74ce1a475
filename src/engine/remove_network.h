#pragma once
#include "engine/parts.h"
#include "schema/docker/container.h"
#include "schema/docker/filters.h"

namespace proa::engine {

/// Errors: NotFound, Forbidden (predefined; containers take part).
Result<void> remove_network(Parts& parts, const std::string& name);

/// Removes networks without a running container. Filters: label, label!, until. The names; null when nothing was removed.
Result<docker::Strings> prune_networks(Parts& parts, const docker::Filters& filters);

}  // namespace proa::engine
