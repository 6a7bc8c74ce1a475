#pragma once
#include "compose/context.h"

namespace proa::compose {

/// Short forms become long ones: ports, mounts, env_file, depends_on, build, networks, secrets, devices, extends, external.
/// Errors (InvalidArgument): `confusing device mapping, please use long syntax: a:b:c:d`, and those of the short forms.
Result<void> make_canonical(Context& context, yaml::Node& model);

/// Fills in what a canonical model leaves out: build.context, secret targets, port protocol and mode, counts of device requests.
void set_defaults(yaml::Node& model);

/// What the schema cannot say: `volumes.v: conflicting parameters "external" and "driver" specified`,
/// `secrets.s: one of file|environment must be set`, ...
Result<void> check_rules(const Context& context, const yaml::Node& model);

}  // namespace proa::compose
