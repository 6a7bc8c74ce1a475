#pragma once
#include "registry/endpoint.h"

namespace proa::registry {

/// What a hosts.toml says of one registry.
struct HostsFile {
    std::vector<Endpoint> hosts;  ///< in the file's order; mirrors, but for the registry's own host
    /// The registry itself: `server`, or without it the default (an empty `base`) with what the file's top level says of it.
    Endpoint server;
    bool has_trust = false;  ///< `server.trust` is from the file; otherwise certificates of the folder count
};

/// Reads `text` (`path` and its folder, for messages and relative certificates) for the registry of `domain`.
/// Keys: `server`, `[host."URL"]`, and in both places `capabilities`, `ca`, `client`, `skip_verify`, `header`, `override_path` and
/// `dial_timeout`, with containerd's meaning. API: containerd's docs/hosts.md
/// Errors: InvalidArgument that names file, key and reason, also for keys that are not known.
Result<HostsFile> parse_hosts_file(const Config& config, const std::string& path, std::string_view text, const std::string& domain);

}  // namespace proa::registry
