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
    bool all = false;            ///< also what an image still uses
    int64_t reserved_bytes = 0;  ///< the newest entries stay as long as they are not more than this
    int64_t used_max_bytes = 0;  ///< and as long as all are not more than this; 0: no matter
    int64_t free_min_bytes = 0;  ///< entries go until the disk has so much room, but never below what is reserved
    docker::Filters filters;
    bool by_itself = false;  ///< nobody asked for it: no event tells of it
};
struct PrunedBuildCache {
    std::vector<std::string> deleted;
    int64_t reclaimed = 0;
};
/// Forgets outcomes of steps, removes cache mounts and the images of steps that nothing uses. Filters: id, type, description, inuse,
/// shared, private, parent, label, label!, until, unused-for.
Result<PrunedBuildCache> prune_build_cache(Parts& parts, const PruneBuildOptions& options);

/// After a build, now and then: what nobody used for 60 days goes, and the oldest entries when all are more than a tenth of the disk (at least
/// 2 GB). Docker's defaults; what an image holds stays.
void collect_build_cache(Parts& parts);

/// Remembers that `image` is what a build was asked for: prune leaves it alone.
void keep_build_outcome(Parts& parts, const std::string& image);

}  // namespace proa::engine
