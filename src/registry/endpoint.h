#pragma once
#include <string>
#include <vector>

#include "http/transfer.h"

namespace proa::registry {

/// What the daemon's configuration says about registries.
struct Config {
    std::vector<std::string> mirrors;   ///< of docker.io, each with a slash at its end
    std::vector<std::string> insecure;  ///< HOST[:PORT] or CIDR; loopback is always one
    /// Folders that hold a folder per registry (`localhost:5000`) with its `*.crt`, `*.cert` and `*.key`; the first that has one counts.
    std::vector<std::string> certificate_folders{"/etc/proa/certs.d", "/etc/docker/certs.d"};
    http::TransferProxies proxies;
    std::string user_agent;
    int attempts = 5;  ///< of one transfer
};

/// One address under which a registry may be reached.
struct Endpoint {
    std::string base;  ///< "https://registry-1.docker.io", without a slash at its end
    bool mirror = false;
    http::TransferTrust trust;

    bool is_https() const { return base.starts_with("https://"); }
    std::string url(std::string_view path) const { return base + std::string(path); }
};

enum class Purpose { Pull, Push };

constexpr std::string_view kHubHost = "registry-1.docker.io";
constexpr std::string_view kHubIndex = "https://index.docker.io/v1/";  ///< the key of its credentials

/// Where the registry of an image's domain ("docker.io", "localhost:5000") may answer, in the order to be tried: mirrors (pull of
/// docker.io only), https, and http behind it for registries that may be insecure. Resolves names when CIDRs are configured.
/// Errors: NotFound and InvalidArgument for unreadable certificates.
Result<std::vector<Endpoint>> endpoints(const Config& config, const std::string& domain, Purpose purpose);

/// Whom to believe at `host` ("auth.example.com:8443").
Result<http::TransferTrust> trust_for(const Config& config, const std::string& host);
bool is_insecure(const Config& config, const std::string& host);

/// "https://host:port" of a URL, lower case, with the default port written out: what credentials are bound to (rule C19).
std::string origin_of(std::string_view url);
/// "host[:port]" of a URL.
std::string host_of(std::string_view url);

/// `location` (absolute, or relative to `base`) as an absolute URL. Spec: RFC 3986 section 5
std::string resolve_url(std::string_view base, std::string_view location);

}  // namespace proa::registry
