#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// What a container takes from its image.
struct FoundImage {
    std::string id;             ///< digest of the manifest or index
    std::string manifest_digest;  ///< of the platform that was chosen
    docker::ContainerConfig config;
    std::string os;
    std::string foreign_platform;  ///< of the image when nobody asked for it and it is not the host's; else ""
};

/// The image that `reference` names, for `platform` ("" the host's).
/// Errors: NotFound "No such image: nope:latest", or Docker's text when the image has another platform.
Result<FoundImage> find_image(store::ImageStore& images, const std::string& reference, const std::string& platform);

/// Bytes of the image's unpacked layers.
Result<int64_t> image_unpacked_size(store::ImageStore& images, const std::string& image_id);

}  // namespace proa::engine
