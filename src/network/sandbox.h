#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "network/bridge.h"
#include "network/namespace.h"

namespace proa::network {

/// One interface of a container: the inner end of a veth pair.
struct Interface {
    std::string name = "eth0";   ///< inside
    int index = 0;               ///< inside
    os::MacAddress mac{};
    std::string host_name;       ///< the outer end; empty for a namespace without a pair
    int host_index = 0;
};

/// A ready network namespace with its first interface. Holds the only reference: when it is dropped before a process has
/// joined, namespace and pair vanish. Drop it once the container's init runs inside: kept, it would keep the namespace and the
/// pair alive after the container's end (the socket as much as the descriptor).
struct Sandbox {
    Namespace space;
    Interface interface;         ///< host_name empty: only lo (--network none)
};

/// The addresses and routes of one interface.
struct Endpoint {
    os::IpPrefix address, address6;           ///< none: no address of that family
    os::IpAddress gateway, gateway6;          ///< none: no default route (internal networks, further networks)
    std::optional<os::MacAddress> mac;        ///< --mac-address; nullopt keeps the interface's
    std::optional<uint32_t> mtu;
};

/// Gives the sandbox's first interface its addresses and default routes in one batch: a single system call and its answers.
/// Errors name the step that the kernel refused.
Result<void> configure(Sandbox& sandbox, const Endpoint& endpoint);
Result<void> configure(os::NetlinkSocket& inside, Interface& interface, const Endpoint& endpoint);

/// Whether interfaces that are made in the namespace from now on have IPv6.
Result<void> choose_ipv6(Namespace& space, bool ipv6);

/// Adds a further interface to an existing namespace (user-defined networks, `network connect`), attached to the bridge and up
/// at both ends. Enables IPv6 on it where the bridge has it. The host end's name is `prefix` and eight hex digits.
Result<Interface> attach_interface(os::NetlinkSocket& host, Namespace& space, const Bridge& bridge, const std::string& inner_name,
                                   const std::string& prefix, std::optional<os::MacAddress> mac = std::nullopt);
/// Removes it again (`network disconnect`). Takes 15 to 30 ms in the kernel; not needed when the namespace ends.
Result<void> detach_interface(Namespace& space, const Interface& interface);

/// Removes veth ends on the bridge that carry our prefix and are none of `keep` (host names from the records): what a killed
/// daemon left. Returns how many. Pool entries need no such help, their namespaces die with the daemon's descriptors.
Result<size_t> remove_leftovers(os::NetlinkSocket& host, const Bridge& bridge, const std::string& prefix,
                                const std::vector<std::string>& keep);

/// Keeps ready sandboxes for one bridge, so that a start pays neither for the namespace nor for the veth pair.
/// Thread-safe. One sleeping thread refills it; destruction drops all ready sandboxes.
class NamespacePool {
public:
    struct Options {
        size_t size = 4;                       ///< 0: everything is made on demand, no thread
        std::optional<Bridge> bridge;          ///< nullopt: sandboxes with lo only
        NamespaceOptions space;
        std::string prefix = "vethp";          ///< of host ends, then eight hex digits; tools know "veth*"
        std::string interface = "eth0";
    };
    /// Opens its own rtnetlink socket in the calling thread's namespace, the host's. Does not wait for the first refill.
    static Result<std::unique_ptr<NamespacePool>> create(Options options);
    ~NamespacePool();

    /// A ready sandbox, or one made now when none is left (about 2 ms).
    Result<Sandbox> take();
    /// One that belongs to the host's user namespace, whatever Options::space says.
    Result<Sandbox> take_for_host();
    size_t ready() const;
    void set_size(size_t size);     ///< surplus entries stay until they are taken
    void wait_until_full();         ///< for tests and benches; returns early when refilling fails
    /// Drops all ready sandboxes (their bridge was made anew) and goes on with `bridge`.
    void replace_bridge(const Bridge& bridge);

private:
    explicit NamespacePool(Options options);
    Result<std::vector<Sandbox>> make(size_t count, bool for_host = false);
    void refill_loop();

    Options options_;
    std::mutex host_mutex_;         ///< for host_ and what make() does with it
    os::NetlinkSocket host_;
    mutable std::mutex mutex_;      ///< for all below
    std::condition_variable changed_;
    std::vector<Sandbox> ready_;
    bool stopping_ = false, failed_ = false;
    uint64_t generation_ = 0;       ///< of the bridge: entries of an older one are dropped
    std::thread refiller_;
};

}  // namespace proa::network
