#pragma once
#include "schema/docker/container.h"

namespace proa::engine {

/// Takes out of `resources` what this kernel's cgroups cannot do. Returns Docker's warnings about it, in its order.
/// Errors: InvalidArgument where Docker refuses instead (real-time scheduling, processors and memory nodes that are not there).
Result<std::vector<std::string>> discard_unsupported_limits(docker::Resources& resources);

}  // namespace proa::engine
