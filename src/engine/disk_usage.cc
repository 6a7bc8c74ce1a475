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
    auto stored = parts.images.usage();
    usage.layers_size = static_cast<int64_t>(stored.blobs + stored.layers);
    auto sizes = parts.images.disk_sizes();
    for (auto& image : usage.images) {
        auto own = sizes.find(codec::Digest::parse(image.id).value_or(codec::Digest()));
        if (own != sizes.end()) {
            image.size = own->second.content + own->second.unpacked;
            image.shared_size = own->second.shared;
        }
        auto found = containers.find(image.id);
        image.containers = found == containers.end() ? 0 : found->second;
        if (image.containers > 0) usage.active++;
        else usage.reclaimable += image.size - std::max<int64_t>(image.shared_size, 0);
    }
    return usage;
}

}  // namespace proa::engine
