#pragma once
#include "engine/parts.h"
#include "schema/docker/filters.h"

namespace proa::engine {

/// One entry of the build cache as clients see it. API: BuildCache
struct BuildCacheEntry {
    std::string id, type, description, image;
    bool in_use = false, shared = false;
    int64_t size = 0, uses = 0;
    Time created, last_used;
};
std::vector<BuildCacheEntry> list_build_cache(Parts& parts);

struct PruneBuildOptions {
    bool all = false;        ///< also what an image still uses
    int64_t keep_bytes = 0;  ///< the newest entries stay as long as they are not more than this
    docker::Filters filters;
};
struct PrunedBuildCache {
    std::vector<std::string> deleted;
    int64_t reclaimed = 0;
};
/// Forgets outcomes of steps, removes cache mounts and the images of steps that nothing uses. Filters: id, type, description, inuse,
/// shared, private, parent, until, unused-for.
Result<PrunedBuildCache> prune_build_cache(Parts& parts, const PruneBuildOptions& options);

/// Remembers that `image` is what a build was asked for: prune leaves it alone.
void keep_build_outcome(Parts& parts, const std::string& image);

}  // namespace proa::engine
