#pragma once
#include "engine/parts.h"

namespace proa::engine {

struct RemoveOptions {
    bool force = false, volumes = false;
};

/// Removes a container with all that belongs to it; returns when nothing is left.
/// Errors: Conflict (it runs, or a removal is under way).
Result<void> remove_container(Parts& parts, const container::ContainerPointer& container, const RemoveOptions& options);
/// The same with the operation held by the caller, for a container that does not run; `volumes`: its anonymous ones too.
Result<void> remove_container_locked(Parts& parts, const container::ContainerPointer& container, bool volumes);

}  // namespace proa::engine
