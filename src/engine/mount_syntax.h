#pragma once
#include "engine/container_mounts.h"

namespace proa::engine {

/// `source:destination[:options]` or a bare destination, as Binds has them; `driver` is the container's VolumeDriver.
/// Errors: InvalidArgument in Docker's words.
Result<PlannedMount> parse_bind(const std::string& bind, const std::string& driver);

/// One element of Mounts. Errors as above; Unsupported for kinds that need a swarm.
Result<PlannedMount> parse_mount(const docker::MountRequest& request);

}  // namespace proa::engine
