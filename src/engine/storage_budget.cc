#include "engine/storage_budget.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "engine/build_cache.h"
#include "engine/images.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {
constexpr int64_t kQuietDownload = 600;  ///< seconds without a byte after which nobody goes on with it
constexpr int64_t kFreshStep = 600;      ///< seconds for which an image with a parent may be a step of a build that goes on

int64_t used_bytes(Parts& parts) {
    auto usage = parts.images.usage();
    return static_cast<int64_t>(usage.blobs + usage.layers);
}

Time last_used(const store::Image& image) { return std::max(image.added, image.last_tagged); }

/// Untagged images without a container, the one that was used longest ago first.
std::vector<store::ImagePointer> unreferenced_images(Parts& parts) {
    std::set<std::string> used;
    for (auto& container : parts.containers.all()) used.insert(container->read([](const container::Record& record) { return record.image_id; }));
    std::vector<store::ImagePointer> images;
    int64_t moment = now().seconds;
    for (auto& image : parts.images.list()) {
        if (!image->tags.empty() || used.contains(image->id.text()) || parts.images.has_children(image->id)) continue;
        if (!image->parent.empty() && moment - last_used(*image).seconds < kFreshStep) continue;
        images.push_back(image);
    }
    std::stable_sort(images.begin(), images.end(), [](auto& a, auto& b) { return last_used(*a) < last_used(*b); });
    return images;
}
}  // namespace

void keep_storage_budget(Parts& parts) {
    int64_t budget = parts.settings()->storage_budget;
    int64_t used = budget > 0 ? used_bytes(parts) : 0;
    if (used <= budget) return;
    int64_t before = used;
    if (auto done = parts.images.remove_partial_downloads(kQuietDownload); !done) log::warn(done.error().message());
    used = used_bytes(parts);
    for (auto& image : unreferenced_images(parts)) {
        if (used <= budget) break;
        if (!remove_image(parts, image->id.text(), false, true)) continue;  // used or named meanwhile
        used = used_bytes(parts);
    }
    if (used > budget) {
        int64_t cached = 0;
        for (auto& entry : list_build_cache(parts)) cached += entry.size;
        auto pruned = prune_build_cache(parts, {.all = true, .reserved_bytes = std::max<int64_t>(0, cached - (used - budget)), .filters = {}, .by_itself = true});
        if (!pruned) log::warn(concat("storage budget: ", pruned.error().message()));
        used = used_bytes(parts);
    }
    log::info(concat("storage budget of ", budget, " bytes: images took ", before, ", now ", used));
    if (used > budget) log::warn(concat("images take ", used, " bytes, more than the storage budget of ", budget, ": what is left has names or containers"));
}

}  // namespace proa::engine
