#pragma once
#include "container/monitor.h"
#include "engine/parts.h"

namespace proa::engine {

/// Takes note of a container's end: record, network, events, waiters, and what follows by policy (restart, removal).
/// Called on a worker thread for every end that the monitor sees; an end of an earlier run is ignored.
void finish_container(Parts& parts, const container::ContainerPointer& container, const container::ContainerExit& exit);

}  // namespace proa::engine
