#pragma once
#include <map>
#include <string>
#include <vector>

#include "http/transfer.h"

namespace proa::registry {

/// What the daemon's configuration says about registries.
struct Config {
    std::map<std::string, std::vector<std::string>> mirrors;  ///< by domain ("docker.io"): URLs, asked before the registry itself
    std::vector<std::string> insecure;                        ///< HOST[:PORT] or CIDR; loopback is always one
    /// Folders that hold a folder per registry (`localhost:5000`) with its `*.crt`, `*.cert` and `*.key` or its hosts.toml; the first
    /// that has one counts.
    std::vector<std::string> certificate_folders{"/etc/proa/certs.d", "/etc/docker/certs.d"};
    http::TransferProxies proxies;
    std::string user_agent;
    int attempts = 5;  ///< of one transfer
};

/// One address under which a registry may be reached.
struct Endpoint {
    std::string base;     ///< "https://registry-1.docker.io", without a slash at its end
    bool mirror = false;  ///< another host: gets no credentials, and is passed over when it cannot give what is wanted
    http::TransferTrust trust = {};
    std::string api = "/v2";                            ///< path of the registry API below `base`
    http::Headers headers = {};                         ///< sent with each request to this origin
    std::string name_space = {};                        ///< of a mirror that serves several registries: which one is meant (`?ns=`); else empty
    int connect_timeout_ms = 0;                         ///< 0: the usual one
    bool pulls = true, resolves = true, pushes = true;  ///< what it may be asked for; resolving is from tag to digest

    bool is_https() const { return base.starts_with("https://"); }
    /// `path` ("/", "/library/busybox/tags/list") in the registry API.
    std::string api_url(std::string_view path) const { return base + api + std::string(path); }
};

enum class Purpose { Pull, Resolve, Push };

constexpr std::string_view kHubHost = "registry-1.docker.io";
constexpr std::string_view kHubIndex = "https://index.docker.io/v1/";  ///< the key of its credentials

/// Where the registry of an image's domain ("docker.io", "localhost:5000") may answer, in the order to be tried: configured mirrors
/// (not for pushes), hosts of its hosts.toml that may do it, and the registry itself: the server of hosts.toml, or https, and http
/// behind it for registries that may be insecure. Resolves names when CIDRs are configured.
/// Errors: NotFound and InvalidArgument for unreadable certificates and a wrong hosts.toml.
Result<std::vector<Endpoint>> endpoints(const Config& config, const std::string& domain, Purpose purpose);

/// The same without mirrors: where the registry's credentials are good. Never empty.
Result<std::vector<Endpoint>> own_endpoints(const Config& config, const std::string& domain, Purpose purpose);

/// The folder with certificates and hosts.toml of `host` ("auth.example.com:8443", or "_default"); empty when there is none.
std::string folder_of(const Config& config, const std::string& host);
/// Whom to believe at `host`.
Result<http::TransferTrust> trust_for(const Config& config, const std::string& host);
bool is_insecure(const Config& config, const std::string& host);
/// Adds authorities (PEM) to the system's.
void add_authorities(http::TransferTrust& trust, std::string_view pem);

/// "https://host:port" of a URL, lower case, with the default port written out: what credentials are bound to (rule C19).
std::string origin_of(std::string_view url);
/// "host[:port]" of a URL.
std::string host_of(std::string_view url);

/// `location` (absolute, or relative to `base`) as an absolute URL. Spec: RFC 3986 section 5
std::string resolve_url(std::string_view base, std::string_view location);

}  // namespace proa::registry
