#pragma once
#include <optional>
#include <string_view>

#include "schema/oci/reference.h"

namespace proa::store {

/// The archive (as load_archive() takes it) of an image that this program carries: hello-world of Docker's library, without a tag
/// or with `latest`. Lives as long as the program.
std::optional<std::string_view> builtin_image_archive(const oci::Reference& reference);

}  // namespace proa::store
