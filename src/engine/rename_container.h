#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Errors: Conflict (the name is taken), InvalidArgument (empty, the same, or a bad name).
Result<void> rename_container(Parts& parts, const container::ContainerPointer& container, const std::string& new_name);

}  // namespace proa::engine
