#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// The boot pass: loads the records, finds the shims that still run, takes note of the ends that happened meanwhile, finishes
/// removals, and returns mounts, cgroups, interfaces, rules and directories to what the records say (P3, P5).
/// A record that cannot be restored is named in the log and does not stop the boot.
Result<void> restore_containers(Parts& parts);

/// After the boot pass: containers that their policy wants to run are started.
void start_by_policy(Parts& parts);

}  // namespace proa::engine
