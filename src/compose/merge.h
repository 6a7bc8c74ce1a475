#pragma once
#include "compose/context.h"

namespace proa::compose {

/// Lays one model over another by compose's rule for each key. Spec: compose-spec, "Merge and override"
/// Errors (InvalidArgument): `cannot override services.a.ports`.
Result<void> merge_models(const Context& context, yaml::Node& base, yaml::Node over);
/// The same for one service over the one that it extends.
Result<void> merge_service(const Context& context, yaml::Node& base, yaml::Node over);

/// Of list entries that mean the same thing (by key, target, port) the last one stays, in the place of the first.
Result<void> keep_unique(const Context& context, yaml::Node& model);

}  // namespace proa::compose
