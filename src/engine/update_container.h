#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// `docker update`: a resources object and a restart policy. Zero and empty fields stay as they are.
/// Errors: InvalidArgument, Conflict (being removed).
Result<std::vector<std::string>> update_container(Parts& parts, const container::ContainerPointer& container, const docker::HostConfig& wanted);

}  // namespace proa::engine
