#pragma once
#include "engine/parts.h"
#include "schema/docker/image.h"

namespace proa::engine {

/// What of `docker system df` the images take.
struct ImageUsage {
    int64_t layers_size = 0;                   ///< bytes on disk of all content and all unpacked layers, each once
    int64_t reclaimable = 0;                   ///< of images without a container, without what others share
    int64_t active = 0;                        ///< images with a container
    std::vector<docker::ImageSummary> images;  ///< with Size and SharedSize on disk, and Containers
};
Result<ImageUsage> image_usage(Parts& parts);

}  // namespace proa::engine
