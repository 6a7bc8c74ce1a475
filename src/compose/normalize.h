#pragma once
#include "compose/context.h"

namespace proa::compose {

/// Writes out what a complete canonical model implies: the default network, names of resources, Dockerfile, values of bare variables, and the
/// dependencies that links, shared namespaces and volumes_from make.
void normalize(yaml::Node& model, const std::string& project_name, const Mapping& environment);

}  // namespace proa::compose
