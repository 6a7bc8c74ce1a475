#pragma once
#include "engine/parts.h"
#include "schema/docker/filters.h"
#include "schema/docker/image.h"

namespace proa::engine {

/// The moment before which something must have been made; nullopt without the filter.
Result<std::optional<Time>> until_of(const docker::Filters& filters);

struct PrunedContainers {
    docker::Strings deleted;  ///< null when nothing was
    int64_t reclaimed = 0;    ///< bytes
};
/// Removes containers that do not run. Filters: label, label!, until.
Result<PrunedContainers> prune_containers(Parts& parts, const docker::Filters& filters);

struct PrunedImages {
    std::optional<std::vector<docker::ImageDeleteItem>> deleted;
    int64_t reclaimed = 0;
};
/// Removes untagged images without containers; with `dangling=false` all without containers. Filters: dangling, label, label!, until.
Result<PrunedImages> prune_images(Parts& parts, const docker::Filters& filters);

}  // namespace proa::engine
