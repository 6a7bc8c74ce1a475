#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json/value.h"

// Named endpoints as docker keeps them: $DOCKER_CONFIG/contexts/meta/<sha256 of name>/meta.json and contexts/tls/<the same>/<endpoint>/*.pem.
namespace proa::client {

struct Context {
    json::Object meta;  ///< meta.json: Name, Metadata, Endpoints
    /// Endpoint ("docker") to file name ("ca.pem") to its bytes.
    std::map<std::string, std::map<std::string, std::string>> tls;

    std::string name() const;
    std::string description() const;
    const json::Value& docker_endpoint() const;  ///< Host, SkipTLSVerify; null when there is none
    std::string host() const { return docker_endpoint()["Host"].as_string(); }
};
/// A context with one docker endpoint.
Context make_context(std::string_view name, std::string_view description, std::string_view host, bool skip_tls_verify);

/// Errors: InvalidArgument with docker's text for the reserved name "default" and for names of other characters.
Result<void> check_context_name(std::string_view name);
/// contexts/KIND/<sha256 of name> below the config directory; KIND is "meta" or "tls".
std::string context_directory(const std::string& config_directory, std::string_view kind, std::string_view name);
bool context_exists(const std::string& config_directory, std::string_view name);

/// Errors: NotFound `context "x": context not found: open .../meta.json: no such file or directory`.
Result<Context> load_context(const std::string& config_directory, std::string_view name);
/// meta.json alone, as the start path needs it. Errors as load_context.
Result<json::Value> load_context_meta(const std::string& config_directory, std::string_view name);
/// Replaces what was there. Directories of certificates get mode 0700, their files 0600.
Result<void> save_context(const std::string& config_directory, const Context& context);
Result<void> remove_context(const std::string& config_directory, std::string_view name);
/// All contexts on disk by name; what cannot be read is left out.
Result<std::vector<Context>> list_contexts(const std::string& config_directory);

}  // namespace proa::client
