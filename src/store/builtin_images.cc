#include "store/builtin_images.h"

extern "C" const char proa_hello_world_begin[], proa_hello_world_end[];  // hello_world_image.S

namespace proa::store {

std::optional<std::string_view> builtin_image_archive(const oci::Reference& reference) {
    bool known = reference.name() == "docker.io/library/hello-world" && reference.digest.empty() && (reference.tag.empty() || reference.tag == "latest");
    if (!known) return std::nullopt;
    return std::string_view(proa_hello_world_begin, static_cast<size_t>(proa_hello_world_end - proa_hello_world_begin));
}

}  // namespace proa::store
