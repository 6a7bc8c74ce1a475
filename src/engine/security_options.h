#pragma once
#include "schema/docker/container.h"

namespace proa::engine {

/// HostConfig.SecurityOpt taken apart.
struct SecurityOptions {
    std::string seccomp_profile;      ///< JSON text, "unconfined", "builtin", or "" for the daemon's default
    std::string apparmor_profile;     ///< "" for the default, "unconfined"
    std::optional<bool> no_new_privileges;
};

/// Errors: InvalidArgument `invalid --security-opt`..., Unsupported for options that this engine does not carry out.
Result<SecurityOptions> parse_security_options(const docker::HostConfig& host);

}  // namespace proa::engine
