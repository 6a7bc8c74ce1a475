#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Starts a container that does not run; returns once its program has been executed and the record says so.
/// Errors: NotModified (it runs), Conflict (paused, being removed), InvalidArgument with Docker's text
/// "failed to create task for container: ... OCI runtime create failed: ..." for a command that cannot be executed; the
/// record's state then carries exit code 127, 126 or 128 and the error. `secret_environment`: "NAME=VALUE" for this run only, in no record.
Result<void> start_container(Parts& parts, const container::ContainerPointer& container, const std::vector<std::string>& secret_environment = {});

/// A planned restart: as start_container(), and a failure plans the next one.
void restart_by_policy(Parts& parts, const container::ContainerPointer& container);

}  // namespace proa::engine
