#pragma once
#include "compose/context.h"

namespace proa::compose {

/// Whether the enabled services fit together and with the project's resources. `model` is the tree that the project came from, for places.
/// Errors (InvalidArgument): `service "a" refers to undefined network nn: invalid compose project`, `dependency cycle detected: a -> b -> a`, ...
Result<void> check_consistency(const Context& context, const Project& project, const yaml::Node& model);

/// Keys that no single Linux host can honour: the ones that change what a container is are errors (Unsupported), the ones that only a cluster
/// would read become warnings.
Result<void> check_host(Context& context, const yaml::Node& model);

}  // namespace proa::compose
