#pragma once
#include <optional>
#include <string>
#include <vector>

#include "os/ip_address.h"

// The texts of a container's /etc/resolv.conf, /etc/hosts and /etc/hostname. Spec: daemon.md section 11
namespace proa::network {

inline constexpr const char* kHostResolvConf = "/etc/resolv.conf";
inline constexpr const char* kSystemdResolvConf = "/run/systemd/resolve/resolv.conf";
inline constexpr size_t kResolvConfBytesMax = 1 << 20;

/// What a resolv.conf says. man: resolv.conf(5)
struct ResolvConf {
    std::vector<os::IpAddress> servers;
    std::vector<std::string> invalid_servers;  ///< addresses that cannot be copied (zones)
    std::vector<std::string> search, options;
    std::vector<std::string> other;            ///< lines with other keywords ("sortlist ...")
};
ResolvConf parse_resolv_conf(std::string_view text);

struct HostResolvConf {
    std::string path;  ///< where it was read
    ResolvConf conf;
};
/// The host's /etc/resolv.conf, or systemd-resolved's own list when the only server is its stub 127.0.0.53.
/// A missing file gives an empty one, as Docker does. `path` replaces /etc/resolv.conf (daemon.json "resolv-conf").
HostResolvConf read_host_resolv_conf(const std::string& path = kHostResolvConf);

/// --dns, --dns-search, --dns-option of the container or of the daemon; an empty list leaves the host's.
struct DnsOverrides {
    std::vector<os::IpAddress> servers;
    std::vector<std::string> search;   ///< a single "." empties the list
    std::vector<std::string> options;
};

/// For the default bridge and --network none: the host's servers, loopback ones dropped, Google's when none is left.
std::string resolv_conf_text(const HostResolvConf& host, const DnsOverrides& overrides, bool ipv6);
/// For --network host: the host's file as it is but for the overrides.
std::string resolv_conf_text_host_network(const HostResolvConf& host, const DnsOverrides& overrides);

/// For user-defined networks: the embedded server at 127.0.0.11 and what it asks itself.
struct InternalResolvConf {
    std::string text;
    std::vector<os::IpAddress> upstreams;       ///< --dns: to be asked from the container's namespace
    std::vector<os::IpAddress> host_upstreams;  ///< the host's servers: to be asked from the host's namespace
};
InternalResolvConf resolv_conf_internal(const HostResolvConf& host, const DnsOverrides& overrides);

struct HostRecord {
    std::string address, names;  ///< "172.17.0.3", "db db.local"
};
/// /etc/hosts: localhost, Docker's IPv6 lines (`ipv6_lines`), --add-host records, then a line for each own address.
std::string hosts_text(const std::string& hostname, const std::string& domain, const std::vector<os::IpAddress>& own,
                       const std::vector<HostRecord>& extra, bool ipv6_lines = true);

std::string hostname_text(const std::string& hostname);

}  // namespace proa::network
