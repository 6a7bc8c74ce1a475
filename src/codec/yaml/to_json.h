#pragma once
#include "codec/json/value.h"
#include "codec/yaml/node.h"

namespace proa::yaml {

/// The tree without its lines.
json::Value to_json(const Node& node);

}  // namespace proa::yaml
