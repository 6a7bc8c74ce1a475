#include "network/namespace.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include <cerrno>
#include <thread>

#include "base/text.h"
#include "os/file.h"

namespace proa::network {

namespace {
constexpr int kLoopbackIndex = 1;  // always, in every new namespace

/// Runs `work` on a thread that ends afterwards, so what it did to itself is gone with it.
template <class Work>
auto on_own_thread(Work work) -> decltype(work()) {
    std::optional<decltype(work())> result;
    std::thread thread([&] { result = work(); });
    thread.join();
    return std::move(*result);
}

Result<Namespace> make_one(const NamespaceOptions& options) {
    Namespace made;
    if (options.owner.empty()) {
        if (::unshare(CLONE_NEWNET) < 0) return fail_errno("unshare", "network namespace");
        made.descriptor = TRY(os::open_file("/proc/thread-self/ns/net", O_RDONLY));
    } else {
        auto owned = TRY(os::make_owned_namespaces(options.owner, true));
        made.descriptor = std::move(owned.network);
        made.user = std::move(owned.user);
        if (::setns(made.descriptor.get(), CLONE_NEWNET) < 0) return fail_errno("setns", "network namespace");
    }
    made.netlink = TRY(os::NetlinkSocket::open(NETLINK_ROUTE));
    os::NetlinkBatch batch;
    os::set_link(batch, kLoopbackIndex, {.up = true});
    TRY(made.netlink.transact(batch));
    // A kernel without IPv6 has no such file and nothing to switch off.
    if (os::exists("/proc/sys/net/ipv6")) {
        if (!options.ipv6) TRY(write_sysctl("net.ipv6.conf.default.disable_ipv6", "1"));
        // A neighbour's forged router advertisement must not become our default route (CVE-2020-13401).
        TRY(write_sysctl("net.ipv6.conf.default.accept_ra", "0"));
    }
    for (auto& [name, value] : options.sysctls) TRY(write_sysctl(name, value));
    made.ipv6 = options.ipv6;
    if (options.resolver) made.resolver = TRY(open_resolver_sockets());
    return made;
}
}  // namespace

Result<std::vector<Namespace>> make_namespaces(size_t count, const NamespaceOptions& options) {
    return on_own_thread([&]() -> Result<std::vector<Namespace>> {
        std::vector<Namespace> made;
        while (made.size() < count) made.push_back(TRY_WRAP("cannot make a network namespace", make_one(options)));
        return made;
    });
}

Result<void> run_inside(int namespace_descriptor, const std::function<Result<void>()>& work) {
    return on_own_thread([&]() -> Result<void> {
        if (::setns(namespace_descriptor, CLONE_NEWNET) < 0) return fail_errno("setns", "network namespace");
        return work();
    });
}

Result<os::NetlinkSocket> open_netlink_inside(int namespace_descriptor, int protocol) {
    os::NetlinkSocket socket;
    TRY(run_inside(namespace_descriptor, [&]() -> Result<void> {
        socket = TRY(os::NetlinkSocket::open(protocol));
        return {};
    }));
    return socket;
}

namespace {
Result<std::string> sysctl_path(const std::string& name) {
    std::string path = "/proc/sys/";
    for (char c : name) path.push_back(c == '.' ? '/' : c == '/' ? '.' : c);
    if (path.find("//") != std::string::npos || path.find("/../") != std::string::npos)
        return fail(ErrorKind::InvalidArgument, concat("invalid sysctl name ", quote(name)));
    return path;
}
}  // namespace

Result<void> write_sysctl(const std::string& name, const std::string& value) {
    os::Fd file = TRY(os::open_file(TRY(sysctl_path(name)), O_WRONLY));
    TRY_WRAP(concat("sysctl ", name), os::write_all(file.get(), value));
    return {};
}

Result<std::string> read_sysctl(const std::string& name) {
    return std::string(trim(TRY(os::read_file(TRY(sysctl_path(name)), 4096))));
}

}  // namespace proa::network
