#pragma once
#include <string>

#include "codec/json/value.h"

namespace proa::yaml {

/// A tree as block YAML the way yaml.v3 prints it with an indentation of two: sequences stand two deeper than their key, texts are plain where
/// they read back as the same text, quoted where they would not, literal blocks where they have several lines; lines are never folded.
/// Members keep their order.
std::string print(const json::Value& value);

}  // namespace proa::yaml
