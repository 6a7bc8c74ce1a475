#include "network/sandbox.h"

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace proa::network {

namespace {
os::VethPair veth_for(const Bridge& bridge, int namespace_descriptor, const Interface& interface) {
    return {.host_name = interface.host_name, .host_master = bridge.index, .peer_name = interface.name,
            .peer_mac = interface.mac, .peer_namespace = namespace_descriptor, .mtu = bridge.mtu};
}

/// br_netfilter translates addresses of bridged frames too. One that comes back to its sender (a container that uses its own
/// published port) is then never routed, so the port must let it out again.
bool bridge_filters_frames() {
    auto state = read_sysctl("net.bridge.bridge-nf-call-iptables");
    return state && *state != "0";
}

/// Learns both indices, brings the inner end up and sets the port. Ports of one bridge exchange frames below the reach of
/// nftables, so --icc=false must be enforced by the bridge itself.
Result<void> finish_veth(os::NetlinkSocket& host, os::NetlinkSocket& inside, const Bridge& bridge, Interface& interface) {
    interface.index = TRY(os::find_link(inside, interface.name)).index;
    os::NetlinkBatch up;
    os::set_link(up, interface.index, {.up = true});
    TRY(inside.transact(up));
    // Asking for a link makes the kernel act on its new carrier at once (Linux 6.14). Otherwise the end that was opened first, and
    // a bridge that gets its first port, drop packets until a work queue gets the lock, and a lost SYN costs a second.
    interface.host_index = TRY(os::find_link(host, interface.host_name)).index;
    TRY(os::find_link(host, bridge.name));
    os::PortChange port;
    if (!bridge.icc) port.isolated = true;
    if (bridge_filters_frames()) port.hairpin = true;
    if (!port.isolated && !port.hairpin) return {};
    os::NetlinkBatch batch;
    os::set_port(batch, interface.host_index, port);
    return host.transact(batch);
}

/// Names are random, so a clash is possible but rare; the kernel tells us.
constexpr int kNameAttemptsMax = 8;

Result<void> create_veth(os::NetlinkSocket& host, Namespace& space, const Bridge& bridge, const std::string& prefix,
                         Interface& interface) {
    for (int attempt = 1;; attempt++) {
        interface.host_name = prefix + random_hex(4);
        os::NetlinkBatch batch;
        os::add_veth(batch, veth_for(bridge, space.descriptor.get(), interface));
        auto created = host.transact(batch);
        if (!created && created.error().number() == EEXIST && attempt < kNameAttemptsMax) continue;
        // br_add_if(): port numbers have ten bits, and 0 is none.
        if (!created && created.error().number() == EXFULL)
            return fail(ErrorKind::Internal,
                        concat("bridge ", bridge.name, " is full: the kernel allows one bridge 1023 interfaces; use a further network for more containers"),
                        EXFULL);
        if (!created) return fail(std::move(created).error().wrap(concat("bridge ", bridge.name)));
        return finish_veth(host, space.netlink, bridge, interface);
    }
}
}  // namespace

Result<void> configure(os::NetlinkSocket& inside, Interface& interface, const Endpoint& endpoint) {
    os::NetlinkBatch batch;
    if (endpoint.mac || endpoint.mtu) {
        os::set_link(batch, interface.index, {.up = true, .mtu = endpoint.mtu, .mac = endpoint.mac});
        if (endpoint.mac) interface.mac = *endpoint.mac;
    }
    for (auto& address : {endpoint.address, endpoint.address6})
        if (!address.is_none()) os::add_address(batch, interface.index, address);
    for (auto& gateway : {endpoint.gateway, endpoint.gateway6})
        if (!gateway.is_none()) os::add_route(batch, {.gateway = gateway, .link = interface.index});
    if (batch.empty()) return {};
    TRY_WRAP(concat("cannot configure ", interface.name), inside.transact(batch));
    return {};
}

Result<void> configure(Sandbox& sandbox, const Endpoint& endpoint) {
    return configure(sandbox.space.netlink, sandbox.interface, endpoint);
}

Result<void> choose_ipv6(Namespace& space, bool ipv6) {
    // New interfaces take the namespace's default.
    if (space.ipv6 == ipv6 || !os::exists("/proc/sys/net/ipv6")) return {};
    TRY(run_inside(space.descriptor.get(), [&] { return write_sysctl("net.ipv6.conf.default.disable_ipv6", ipv6 ? "0" : "1"); }));
    space.ipv6 = ipv6;
    return {};
}

Result<Interface> attach_interface(os::NetlinkSocket& host, Namespace& space, const Bridge& bridge, const std::string& inner_name,
                                   const std::string& prefix, std::optional<os::MacAddress> mac) {
    Interface interface{.name = inner_name, .mac = mac ? *mac : os::random_mac()};
    TRY(choose_ipv6(space, bridge.ipv6));
    TRY(create_veth(host, space, bridge, prefix, interface));
    return interface;
}

Result<void> detach_interface(Namespace& space, const Interface& interface) {
    os::NetlinkBatch batch;
    os::remove_link(batch, interface.index);
    TRY_WRAP(concat("cannot remove ", interface.name), space.netlink.transact(batch));
    return {};
}

Result<size_t> remove_leftovers(os::NetlinkSocket& host, const Bridge& bridge, const std::string& prefix,
                                const std::vector<std::string>& keep) {
    os::NetlinkBatch batch;
    for (auto& link : TRY(os::list_links(host))) {
        const bool ours = link.kind == "veth" && link.master == bridge.index && link.name.starts_with(prefix);
        if (ours && std::find(keep.begin(), keep.end(), link.name) == keep.end()) os::remove_link(batch, link.index);
    }
    size_t count = batch.size();
    auto removed = host.transact(batch);
    // One that vanished by itself meanwhile is as good.
    if (!removed && removed.error().number() != ENODEV) return fail(std::move(removed).error());
    return count;
}

NamespacePool::NamespacePool(Options options) : options_(std::move(options)) {}

Result<std::unique_ptr<NamespacePool>> NamespacePool::create(Options options) {
    std::unique_ptr<NamespacePool> pool(new NamespacePool(std::move(options)));
    pool->host_ = TRY(os::NetlinkSocket::open(0 /* NETLINK_ROUTE */));
    pool->options_.space.ipv6 = pool->options_.bridge && pool->options_.bridge->ipv6;
    if (pool->options_.size > 0) pool->refiller_ = std::thread([raw = pool.get()] { raw->refill_loop(); });
    return pool;
}

NamespacePool::~NamespacePool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (refiller_.joinable()) refiller_.join();
}

Result<std::vector<Sandbox>> NamespacePool::make(size_t count, bool for_host) {
    NamespaceOptions space_options;
    std::optional<Bridge> bridge;
    {
        std::lock_guard lock(mutex_);
        space_options = options_.space;
        bridge = options_.bridge;
    }
    if (for_host) space_options.owner = {};
    std::vector<Sandbox> made;
    for (auto& space : TRY(make_namespaces(count, space_options))) {
        Sandbox sandbox{.space = std::move(space)};
        if (bridge) {
            sandbox.interface = {.name = options_.interface, .mac = os::random_mac()};
            std::lock_guard lock(host_mutex_);
            TRY(create_veth(host_, sandbox.space, *bridge, options_.prefix, sandbox.interface));
        }
        made.push_back(std::move(sandbox));
    }
    return made;
}

Result<Sandbox> NamespacePool::take() {
    {
        std::unique_lock lock(mutex_);
        failed_ = false;
        if (!ready_.empty()) {
            Sandbox sandbox = std::move(ready_.back());
            ready_.pop_back();
            lock.unlock();
            changed_.notify_all();
            return sandbox;
        }
    }
    changed_.notify_all();
    auto made = TRY(make(1));
    return std::move(made.front());
}

Result<Sandbox> NamespacePool::take_for_host() {
    if (options_.space.owner.empty()) return take();
    auto made = TRY(make(1, true));
    return std::move(made.front());
}

size_t NamespacePool::ready() const {
    std::lock_guard lock(mutex_);
    return ready_.size();
}

void NamespacePool::set_size(size_t size) {
    {
        std::lock_guard lock(mutex_);
        options_.size = size;
        if (size > 0 && !refiller_.joinable()) refiller_ = std::thread([this] { refill_loop(); });
    }
    changed_.notify_all();
}

void NamespacePool::wait_until_full() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_.size() >= options_.size || failed_ || stopping_; });
}

void NamespacePool::replace_bridge(const Bridge& bridge) {
    std::vector<Sandbox> dropped;
    {
        std::lock_guard lock(mutex_);
        options_.bridge = bridge;
        options_.space.ipv6 = bridge.ipv6;
        dropped.swap(ready_);
        generation_++;
    }
    changed_.notify_all();
}

void NamespacePool::refill_loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
        // After a failure the next take() tries again; there is nothing to gain from a loop of failures.
        changed_.wait(lock, [&] { return stopping_ || (ready_.size() < options_.size && !failed_); });
        if (stopping_) return;
        const uint64_t generation = generation_;
        lock.unlock();
        auto made = make(1);
        lock.lock();
        if (!made) {
            failed_ = true;
            log::warn(concat("cannot prepare a network namespace: ", made.error().message()));
        } else if (generation == generation_) {
            ready_.push_back(std::move(made->front()));
        }
        changed_.notify_all();
    }
}

}  // namespace proa::network
