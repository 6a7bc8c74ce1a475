#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "network/bridge.h"
#include "network/nft.h"
#include "os/ip_address.h"
#include "os/netlink.h"

namespace proa::network {

enum class Protocol : uint8_t { Tcp = 6, Udp = 17, Sctp = 132 };
std::string_view protocol_name(Protocol protocol);            ///< "tcp"
std::optional<Protocol> parse_protocol(std::string_view name);  ///< any case

/// Published ports of a running container: one, or a range whose host ports rise with the container's.
struct Publication {
    Protocol protocol = Protocol::Tcp;
    os::IpAddress host_ip;        ///< 0.0.0.0 or :: for every address of the host
    uint16_t host_port = 0;       ///< the first
    os::IpAddress container_ip;
    uint16_t container_port = 0;  ///< the first
    uint16_t count = 1;

    uint16_t last_host_port() const { return static_cast<uint16_t>(host_port + count - 1); }
    uint16_t last_container_port() const { return static_cast<uint16_t>(container_port + count - 1); }

    /// The kernel forwards it. What it cannot (an IPv6 host side to an IPv4 container, and ::1) the shim's proxy carries.
    bool kernel_forwards() const;
    /// The shim must accept on the reserved socket: IPv4 container behind IPv6, ::1 (also under "::", whatever the container).
    bool needs_proxy() const { return host_ip.is_v6() && (!kernel_forwards() || host_ip.is_unspecified()); }
    auto operator<=>(const Publication&) const = default;
};

/// What the rules must know of one bridge.
struct FirewallBridge {
    std::string name;
    bool icc = true, masquerade = true, internal = false;
    os::IpPrefix subnet, subnet6;  ///< none: no address of that family
    bool open = false;             ///< gateway mode nat-unprotected: any port of its containers may be reached from elsewhere
    static FirewallBridge of(const Bridge& bridge) {
        return {.name = bridge.name, .icc = bridge.icc, .masquerade = bridge.masquerade, .internal = bridge.internal,
                .subnet = bridge.address.is_none() ? os::IpPrefix() : bridge.address.network(),
                .subnet6 = bridge.address6.is_none() ? os::IpPrefix() : bridge.address6.network()};
    }
    auto operator<=>(const FirewallBridge&) const = default;
};

/// Our one nftables table `inet NAME`: published ports (DNAT), masquerade, isolation. Rules are installed once; bridges and
/// publications are elements of its sets and maps, added and removed in one atomic batch each.
///
/// Between networks everything is denied that is not an answer, a published port or the bridge's own traffic. Ports published
/// on 127.0.0.1 cannot be reached from outside, and containers cannot reach the host's 127.0.0.0/8.
/// Other tables are never touched: an accept here does not override a drop there; warnings() tells.
///
/// The wanted state is kept in memory, so that the table can be put back after somebody flushed it. Thread-safe.
class Firewall {
public:
    /// Opens the sockets in the calling thread's namespace. Installs nothing yet: call reconcile(). `table` is "proa" or
    /// "proa-SUFFIX" for further daemons. Errors: Unsupported (a kernel without nf_tables).
    static Result<std::unique_ptr<Firewall>> open(const std::string& table = "proa");

    /// Replaces our table by exactly this, atomically; connections go on. At boot with what the records say, any time after.
    Result<void> reconcile(const std::vector<FirewallBridge>& bridges, const std::vector<Publication>& publications);

    Result<void> add_bridge(const FirewallBridge& bridge);        ///< also changes one
    Result<void> remove_bridge(const std::string& name);

    /// Also drops forwarded packets that neither come from nor go to our bridges, as Docker does when it was the one that
    /// switched forwarding on. Off at the start; the caller records the choice. Affects other bridges of this host.
    Result<void> drop_foreign_forwarding(bool on);

    /// All of them or none. Conflict when another publication has the same host side. Those that the kernel cannot forward are
    /// left to the shim (Publication::needs_proxy) and are no error.
    Result<void> publish(std::span<const Publication> publications);
    Result<void> unpublish(std::span<const Publication> publications);  ///< unknown ones are no error
    /// Both at one moment: a new connection to a host side of both meets the one or the other. Connections go on.
    Result<void> replace(std::span<const Publication> gone, std::span<const Publication> fresh);

    /// Removes the table and forgets everything (uninstall, tests).
    Result<void> remove_table();

    /// Readable when any nftables rules changed: then call handle_changes(). Stays valid as long as the object.
    int watch_fd() const { return watch_.fd(); }
    /// Reads the pending notifications and puts the table back when somebody else removed any of it; true when it did.
    Result<bool> handle_changes();

    /// Forward chains of others that would drop traffic of `bridge`, each as a text with the remedy (iptables-nft, ufw,
    /// firewalld). Empty when all is well or a rule there already names the bridge.
    std::vector<std::string> warnings(const std::string& bridge);

    const std::string& table() const { return table_; }

private:
    explicit Firewall(std::string table) : table_(std::move(table)) {}
    struct HostSide {
        Protocol protocol;
        os::IpAddress ip;
        uint16_t port;
        auto operator<=>(const HostSide&) const = default;
    };
    using Publications = std::map<HostSide, Publication>;
    static Result<bool> add(Publications& all, const Publication& publication);
    Result<void> install();
    Result<void> commit_or_reinstall(NftTransaction& change);

    const std::string table_;
    mutable std::mutex mutex_;
    os::NetlinkSocket socket_;
    os::NetlinkSocket watch_;
    bool installed_ = false, drop_foreign_ = false;
    std::map<std::string, FirewallBridge> bridges_;
    Publications publications_;  ///< by the first port
};

}  // namespace proa::network
