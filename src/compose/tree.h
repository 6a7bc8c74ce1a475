#pragma once
#include "codec/json/value.h"
#include "codec/yaml/node.h"

namespace proa::compose {

/// The tree without its lines.
json::Value to_json(const yaml::Node& node);

}  // namespace proa::compose
