#pragma once
#include <string>

#include "compose/project.h"

namespace proa::compose {

/// Takes the `x-` keys out at every level of an encoded struct.
void drop_extensions(json::Value& tree);

}  // namespace proa::compose
