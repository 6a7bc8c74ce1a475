#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Errors: Conflict when it does not run or is paused already.
Result<void> pause_container(Parts& parts, const container::ContainerPointer& container);
/// Errors: Internal "Container <id> is not paused", as in Docker.
Result<void> unpause_container(Parts& parts, const container::ContainerPointer& container);
/// The cgroup's thaw and the record's change without checks; the caller has made sure that it is paused.
Result<void> thaw_container(Parts& parts, const container::ContainerPointer& container);

}  // namespace proa::engine
