#pragma once
#include <vector>

#include "compose/context.h"

// The short forms of ports and mounts.
namespace proa::compose {

/// "[[ip:]published:]target[/protocol]" with ranges, sorted by target port as text; each a long form.
/// Errors (InvalidArgument): `invalid containerPort: x`, `Invalid ranges specified for container and host Ports: 90-91 and 80-82`, ...
Result<std::vector<yaml::Node>> read_port(std::string_view text, yaml::Mark mark);

/// "[source:]target[:options]" as a long form. Errors (InvalidArgument): `invalid spec: a::b: empty section between colons`.
Result<yaml::Node> read_mount(std::string_view text, yaml::Mark mark);

}  // namespace proa::compose
