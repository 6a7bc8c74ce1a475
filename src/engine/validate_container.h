#pragma once
#include "schema/docker/container.h"

namespace proa::engine {

/// Checks a merged configuration in Docker's order and words. Fields that this engine cannot honour yet are refused by name.
/// Errors: InvalidArgument, Unsupported.
Result<void> validate_container(const docker::ContainerConfig& config, const docker::HostConfig& host);

/// Number of a signal by name or number ("SIGTERM", "term", "15"). Errors: InvalidArgument `invalid signal: FOO`.
Result<int> parse_signal(std::string_view text);

}  // namespace proa::engine
