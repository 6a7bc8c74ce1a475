#include "engine/find_image.h"

#include "store/image_store.h"

namespace proa::engine {

Result<FoundImage> find_image(store::ImageStore& images, const std::string& reference, const std::string& platform) {
    auto image = TRY(images.resolve(reference));
    const store::ImageManifest* manifest = image->manifest();
    if (!platform.empty()) {
        auto wanted = TRY(oci::Platform::parse(platform));
        manifest = image->manifest_for(wanted);
        if (!manifest) {
            std::string actual = image->manifest() && image->manifest()->platform ? image->manifest()->platform->text() : "unknown";
            return fail(ErrorKind::NotFound, concat("image with reference ", reference, " was found but does not provide the specified platform (", wanted.text(),
                                                    "): wanted ", wanted.text(), ", actual: ", actual));
        }
    }
    if (!manifest) return fail(ErrorKind::NotFound, concat("image ", reference, " has no manifest for this platform (", oci::Platform::host().text(), ")"));
    FoundImage found;
    found.id = image->id.text();
    found.manifest_digest = manifest->digest.text();
    found.config = manifest->config.config;
    found.os = manifest->config.os;
    auto own = manifest->config.platform().normalized();
    if (platform.empty() && !oci::platform_distance(oci::Platform::host(), own)) found.foreign_platform = own.text();
    return found;
}

Result<int64_t> image_unpacked_size(store::ImageStore& images, const std::string& image_id) {
    auto image = TRY(images.resolve(image_id));
    return images.sizes(*image).unpacked;
}

}  // namespace proa::engine
