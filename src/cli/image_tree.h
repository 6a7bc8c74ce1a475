#pragma once
#include <string>

#include "codec/json/value.h"

namespace proa::cli {

/// `images --tree`: each image with its platforms. `images` is an answer of `GET /images/json?manifests=1`; `terminal_width` in
/// characters decides how many columns there are.
std::string image_tree(const json::Value& images, size_t terminal_width);

}  // namespace proa::cli
