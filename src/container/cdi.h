#pragma once
#include "runtime/plan.h"

namespace proa::container {

/// Gives the plan what the devices `names` ("vendor.com/class=name") need: nodes with their access rules, mounts, environment, groups and
/// hooks, as the JSON and YAML files in `directories` say (a later directory wins). Files that are no good are left out.
/// Errors: InvalidArgument "CDI device injection failed: unresolvable CDI devices a/b=c". Spec: cncf.io container-device-interface 0.8
Result<void> inject_cdi_devices(runtime::Plan& plan, const std::vector<std::string>& names, const std::vector<std::string>& directories);

/// Whether some file describes devices of `kind` ("nvidia.com/gpu").
bool has_cdi_kind(const std::string& kind, const std::vector<std::string>& directories);

}  // namespace proa::container
