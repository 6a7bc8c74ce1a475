#include "engine/disk_usage.h"

#include <map>

#include "engine/images.h"
#include "store/image_store.h"

namespace proa::engine {

Result<ImageUsage> image_usage(Parts& parts) {
    std::map<std::string, int64_t> containers;
    for (auto& container : parts.containers.all()) containers[container->read([](const container::Record& record) { return record.image_id; })]++;
    ImageUsage usage;
    usage.images = TRY(list_images(parts, docker::Filters(), true, true));
    usage.layers_size = static_cast<int64_t>(parts.images.usage().layers);
    for (auto& image : usage.images) {
        auto found = containers.find(image.id);
        image.containers = found == containers.end() ? 0 : found->second;
        if (image.containers > 0) usage.active++;
        else usage.reclaimable += image.size - std::max<int64_t>(image.shared_size, 0);
    }
    return usage;
}

}  // namespace proa::engine
