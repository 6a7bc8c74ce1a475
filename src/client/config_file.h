#pragma once
#include <string>

#include "client/transport.h"
#include "codec/json/value.h"

// $DOCKER_CONFIG/config.json and the contexts beside it.
namespace proa::client {

/// The user's config.json, read leniently: what is not an object counts as empty.
struct ConfigFile {
    std::string directory;
    json::Value content;

    /// A text member, or "".
    std::string text(std::string_view key) const { return content[key].as_string(); }
};
/// Reads `directory`/config.json. A missing file is an empty config; for one that cannot be parsed `warning` says so.
ConfigFile load_config_file(const std::string& directory, std::string& warning);
/// Writes config.json as docker does: tabs, `auths` always there, mode 0600 or what the file has, the old file or the new one and never half of either.
Result<void> save_config_file(const ConfigFile& config);
/// $DOCKER_CONFIG or ~/.docker.
std::string default_config_directory();

/// Which engine the flags, the environment and the config choose, in Docker's order.
struct EndpointChoice {
    std::string context;          ///< "default" or a context's name
    std::string host;             ///< an address for Endpoint::parse
    std::optional<TlsFiles> tls;  ///< of the context
};
/// `host_flag` and `context_flag` are empty when not given. Errors: InvalidArgument for both at once, NotFound for a missing context.
Result<EndpointChoice> choose_endpoint(const ConfigFile& config, std::string_view host_flag, std::string_view context_flag, std::string_view default_host);
/// The name alone, whether there is such a context or not. Errors: InvalidArgument for both flags at once.
Result<std::string> choose_context(const ConfigFile& config, std::string_view host_flag, std::string_view context_flag);
/// An address as -H takes it, completed: "/x.sock" and "host:1" get their scheme, "" the default.
std::string complete_host(std::string_view host, std::string_view default_host);

std::string sha256_hex(std::string_view data);

}  // namespace proa::client
