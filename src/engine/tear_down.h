#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Takes the engine off its host, as before its removal: after the boot pass, and before anything is served. Stops every container (what their
/// restart policies want stays as it is), then removes bridges, packet filter, mounts and cgroups. Records and data stay: a daemon that starts
/// later goes on from them. Everything that cannot be removed is told in the log; the error names the first.
Result<void> tear_down(Parts& parts);

}  // namespace proa::engine
