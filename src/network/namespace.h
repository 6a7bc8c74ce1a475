#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.h"
#include "os/links.h"
#include "os/user_namespace.h"

// Network namespaces. setns(2) and unshare(2) change the calling thread for good, so they only ever happen on threads of our own
// that end afterwards; a thread of the daemon's pool never changes its namespace.
namespace proa::network {

using Sysctls = std::vector<std::pair<std::string, std::string>>;  ///< "net.ipv4.ip_forward" to "1"

/// Sockets of a namespace that answer at 127.0.0.11:53, UDP and TCP. They listen: queries wait until somebody reads them.
struct ResolverSockets {
    os::Fd udp, tcp;
};

/// A namespace and a rtnetlink socket in it.
struct Namespace {
    os::Fd descriptor;            ///< of the namespace: setns(2), IFLA_NET_NS_FD
    os::NetlinkSocket netlink;    ///< opened inside
    ResolverSockets resolver;     ///< NamespaceOptions::resolver
    os::Fd user;                  ///< NamespaceOptions::owner: the user namespace that it belongs to
    std::optional<bool> ipv6;     ///< what interfaces made in it have; nullopt: not known
};

struct NamespaceOptions {
    /// Off: interfaces created later have no IPv6 at all (disable_ipv6=1), as on a Docker network without IPv6; lo keeps ::1.
    bool ipv6 = false;
    bool resolver = false;        ///< with open_resolver_sockets()
    /// Not empty: the namespace belongs to a new user namespace with these maps, not to the host's.
    os::IdMaps owner = {};
    /// Written inside before anybody can see the namespace ("net.ipv4.ip_unprivileged_port_start" ...).
    Sysctls sysctls;
};

/// Makes `count` namespaces with lo up on one short-lived thread; about 0.6 ms each. Fewer are never returned without an error.
/// Needs CAP_SYS_ADMIN.
Result<std::vector<Namespace>> make_namespaces(size_t count, const NamespaceOptions& options);

/// Runs `work` on a thread of its own inside the namespace and waits for it.
Result<void> run_inside(int namespace_descriptor, const std::function<Result<void>()>& work);

/// In the calling thread's namespace: sockets on a free port of 127.0.0.11 to which a rule of nftables leads what goes to port 53. So
/// a name server of the container's own may have port 53 on all addresses. Where the kernel cannot do that, port 53 itself.
Result<ResolverSockets> open_resolver_sockets();

/// A rtnetlink socket inside an existing namespace.
Result<os::NetlinkSocket> open_netlink_inside(int namespace_descriptor, int protocol);

/// Writes /proc/sys/... of the calling thread's network namespace; `name` with dots (an interface name with a dot has it as '/').
Result<void> write_sysctl(const std::string& name, const std::string& value);
Result<std::string> read_sysctl(const std::string& name);  ///< without the closing newline

}  // namespace proa::network
