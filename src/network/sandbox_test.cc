#include "network/sandbox.h"

#include <sys/wait.h>

#include <csignal>

#include "base/time.h"
#include "network/bridge_network.h"
#include "network/statistics.h"
#include "network/test_world.h"

namespace proa::network {
namespace {
using namespace test;

class Sandboxes : public WorldTest {
protected:
    void SetUp() override {
        WorldTest::SetUp();
        if (!entered_) return;
        bridge_ = value(ensure_bridge(host_, {.name = "tb0", .address = prefix("172.30.9.1/24")}));
    }
    void TearDown() override {
        if (!entered_) return;
        value(remove_bridge(host_, "tb0"));
        EXPECT_TRUE(wait_for_links(links_before_));
    }
    std::unique_ptr<NamespacePool> make_pool(size_t size) {
        return value(NamespacePool::create({.size = size, .bridge = bridge_}));
    }
    Bridge bridge_;
};

/// Whether `from` gets an answer from a TCP port on which nobody listens: "refused" needs a working path in both directions.
bool reaches(int namespace_descriptor, const std::string& target) {
    bool refused = false;
    value(run_inside(namespace_descriptor, [&]() -> Result<void> {
        os::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        timeval patience{1, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        sockaddr_storage address;
        auto size = ip(target).to_socket_address(9, address);
        refused = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 && errno == ECONNREFUSED;
        return {};
    }));
    return refused;
}

TEST_F(Sandboxes, bridge_is_made_once_and_keeps_its_address) {
    auto again = value(ensure_bridge(host_, {.name = "tb0"}));
    EXPECT_FALSE(again.created);
    EXPECT_EQ(again.address.text(), "172.30.9.1/24");
    auto moved = value(ensure_bridge(host_, {.name = "tb0", .address = prefix("172.30.8.1/24"), .mtu = 1400}));
    EXPECT_EQ(moved.index, bridge_.index);
    auto link = value(os::find_link(host_, "tb0"));
    EXPECT_EQ(link.mtu, 1400u);
    EXPECT_TRUE(link.is_up());
    size_t addresses = 0;
    for (auto& address : value(os::list_addresses(host_)))
        if (address.link == link.index && address.prefix.address.is_v4()) addresses++;
    EXPECT_EQ(addresses, 1u);
    EXPECT_EQ(value(read_sysctl("net.ipv4.conf.tb0.route_localnet")), "1");
    EXPECT_EQ(value(read_sysctl("net.ipv6.conf.tb0.accept_ra")), "0");
    EXPECT_EQ(value(read_sysctl("net.ipv4.ip_forward")), "1");
}

TEST_F(Sandboxes, bridge_chooses_a_subnet_that_nobody_uses) {
    os::NetlinkBatch batch;
    os::add_bridge(batch, "vpn0", os::random_mac(), 1500);
    value(host_.transact(batch));
    int vpn = value(os::find_link(host_, "vpn0")).index;
    os::NetlinkBatch more;
    os::add_address(more, vpn, prefix("172.17.200.1/24"));
    os::add_route(more, {.destination = prefix("172.18.0.0/16"), .link = vpn});
    value(host_.transact(more));
    auto bridge = value(ensure_bridge(host_, {.name = "tb1", .taken = {prefix("172.19.0.0/16")}}));
    EXPECT_EQ(bridge.address.text(), "172.20.0.1/16");
    value(remove_bridge(host_, "tb1"));
    os::NetlinkBatch gone;
    os::remove_link(gone, vpn);
    value(host_.transact(gone));
}

TEST_F(Sandboxes, bridge_errors_name_the_cause) {
    EXPECT_EQ(ensure_bridge(host_, {.name = "lo"}).error().message(), "interface lo exists and is not a bridge");
    EXPECT_EQ(ensure_bridge(host_, {.name = "nosuch", .managed = false}).error().kind(), ErrorKind::NotFound);
    EXPECT_FALSE(ensure_bridge(host_, {.name = "a-name-that-is-too-long"}));
    EXPECT_TRUE(remove_bridge(host_, "nosuch"));
}

TEST_F(Sandboxes, configured_sandbox_reaches_gateway_and_neighbour) {
    auto pool = make_pool(2);
    auto one = value(pool->take()), two = value(pool->take());
    value(configure(one, {.address = prefix("172.30.9.2/24"), .gateway = ip("172.30.9.1")}));
    value(configure(two, {.address = prefix("172.30.9.3/24"), .gateway = ip("172.30.9.1"), .mac = os::parse_mac("02:42:00:00:00:07")}));
    EXPECT_TRUE(reaches(one.space.descriptor.get(), "172.30.9.1"));
    EXPECT_TRUE(reaches(one.space.descriptor.get(), "172.30.9.3"));
    EXPECT_TRUE(reaches(one.space.descriptor.get(), "127.0.0.1"));
    auto inside = value(os::find_link(two.space.netlink, "eth0"));
    EXPECT_EQ(os::mac_text(inside.mac), "02:42:00:00:00:07");
    EXPECT_TRUE(inside.is_up());
    EXPECT_EQ(inside.mtu, 1500u);
    EXPECT_GT(inside.statistics.rx_packets, 0u);
    auto routes = value(os::list_routes(one.space.netlink));
    EXPECT_TRUE(std::any_of(routes.begin(), routes.end(), [](auto& r) { return !r.destination && r.gateway == ip("172.30.9.1"); }));
    bool inet6_on_eth0 = false;
    for (auto& address : value(os::list_addresses(one.space.netlink)))
        inet6_on_eth0 |= address.link == one.interface.index && address.prefix.address.is_v6();
    EXPECT_FALSE(inet6_on_eth0);
}

TEST_F(Sandboxes, configure_says_which_step_failed) {
    auto pool = make_pool(0);
    auto sandbox = value(pool->take());
    auto bad = configure(sandbox, {.address = prefix("172.30.9.2/24"), .gateway = ip("10.99.0.1")});
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message().find("cannot configure eth0: add route default via 10.99.0.1"), std::string::npos)
        << bad.error().message();
}

TEST_F(Sandboxes, icc_off_keeps_neighbours_apart) {
    bridge_.icc = false;
    auto pool = make_pool(0);
    auto one = value(pool->take()), two = value(pool->take());
    value(configure(one, {.address = prefix("172.30.9.2/24"), .gateway = ip("172.30.9.1")}));
    value(configure(two, {.address = prefix("172.30.9.3/24"), .gateway = ip("172.30.9.1")}));
    EXPECT_TRUE(reaches(one.space.descriptor.get(), "172.30.9.1"));
    EXPECT_FALSE(reaches(one.space.descriptor.get(), "172.30.9.3"));
}

TEST_F(Sandboxes, ipv6_works_where_the_bridge_has_it) {
    bridge_ = value(ensure_bridge(host_, {.name = "tb0", .address6 = prefix("fd30::1/64"), .ipv6 = true}));
    auto pool = make_pool(1);
    auto sandbox = value(pool->take());
    value(configure(sandbox, {.address = prefix("172.30.9.2/24"), .address6 = prefix("fd30::2/64"), .gateway = ip("172.30.9.1"),
                              .gateway6 = ip("fd30::1")}));
    bool found = false;
    for (auto& address : value(os::list_addresses(sandbox.space.netlink))) found |= address.prefix == prefix("fd30::2/64");
    EXPECT_TRUE(found);
    value(run_inside(sandbox.space.descriptor.get(), []() -> Result<void> {
        EXPECT_EQ(value(read_sysctl("net.ipv6.conf.eth0.accept_ra")), "0");
        return {};
    }));
}

TEST_F(Sandboxes, users_own_bridge_is_taken_as_it_is) {
    os::NetlinkBatch batch;
    os::add_bridge(batch, "own0", os::random_mac(), 1300);
    value(host_.transact(batch));
    EXPECT_EQ(ensure_bridge(host_, {.name = "own0", .managed = false}).error().message(), "bridge own0 has no IPv4 address");
    os::NetlinkBatch more;
    os::add_address(more, value(os::find_link(host_, "own0")).index, prefix("172.30.12.9/24"));
    value(host_.transact(more));
    auto bridge = value(ensure_bridge(host_, {.name = "own0", .managed = false, .address = prefix("172.30.13.1/24")}));
    EXPECT_EQ(bridge.address.text(), "172.30.12.9/24");
    EXPECT_EQ(bridge.mtu, 1300u);
    value(remove_bridge(host_, "own0"));
}

TEST_F(Sandboxes, second_interface_comes_and_goes) {
    auto pool = make_pool(0);
    auto sandbox = value(pool->take());
    auto other = value(ensure_bridge(host_, {.name = "tb1", .address = prefix("172.30.10.1/24")}));
    auto interface = value(attach_interface(host_, sandbox.space, other, "eth1", "vethp"));
    value(configure(sandbox.space.netlink, interface, {.address = prefix("172.30.10.2/24")}));
    EXPECT_TRUE(reaches(sandbox.space.descriptor.get(), "172.30.10.1"));
    value(detach_interface(sandbox.space, interface));
    EXPECT_FALSE(os::find_link(sandbox.space.netlink, "eth1"));
    EXPECT_FALSE(os::find_link(host_, interface.host_name));
    value(remove_bridge(host_, "tb1"));
}

TEST_F(Sandboxes, plain_sandbox_has_only_loopback) {
    auto pool = value(NamespacePool::create({.size = 1, .space = {.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"}}}}));
    auto sandbox = value(pool->take());
    EXPECT_EQ(value(os::list_links(sandbox.space.netlink)).front().name, "lo");
    EXPECT_TRUE(reaches(sandbox.space.descriptor.get(), "127.0.0.1"));
    value(run_inside(sandbox.space.descriptor.get(), []() -> Result<void> {
        EXPECT_EQ(value(read_sysctl("net.ipv4.ip_unprivileged_port_start")), "0");
        return {};
    }));
}

TEST_F(Sandboxes, two_hundred_takes_leave_nothing) {
    size_t descriptors = open_descriptors();
    {
        auto pool = make_pool(4);
        for (int i = 0; i < 200; i++) {
            auto sandbox = value(pool->take());
            value(configure(sandbox, {.address = prefix("172.30.9.2/24"), .gateway = ip("172.30.9.1")}));
        }
        pool->wait_until_full();
        EXPECT_EQ(pool->ready(), 4u);
    }
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_TRUE(wait_for_links(links_before_ + 1));
}

TEST_F(Sandboxes, pool_serves_many_threads) {
    auto pool = make_pool(4);
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 5; i++) {
                auto sandbox = pool->take();
                if (!sandbox) continue;
                os::IpPrefix address{os::IpAddress::v4(0xac1e0902u + static_cast<uint32_t>(t * 5 + i)), 24};
                if (configure(*sandbox, {.address = address, .gateway = ip("172.30.9.1")})) good++;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 40);
}

TEST_F(Sandboxes, pool_of_a_killed_daemon_vanishes_by_itself) {
    auto ready = value(os::make_pipe());
    pid_t daemon = ::fork();
    if (daemon == 0) {
        auto pool = make_pool(4);
        pool->wait_until_full();
        auto taken = value(pool->take());
        value(os::write_all(ready.write_end.get(), "x"));
        for (;;) ::pause();
    }
    char byte[1];
    value(os::read_some(ready.read_end.get(), byte));
    EXPECT_GE(value(os::list_links(host_)).size(), links_before_ + 5);
    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);
    EXPECT_TRUE(wait_for_links(links_before_ + 1));
}

TEST_F(Sandboxes, network_gives_endpoints_and_takes_them_back) {
    auto network = value(BridgeNetwork::create(
        host_, {.bridge = {.name = "tb0", .address = prefix("172.30.9.1/24"), .address6 = prefix("fd30::1/64"), .ipv6 = true},
                .range = prefix("172.30.9.128/25"), .reserved = {ip("172.30.9.128")}}));
    auto first = value(network->allocate("a"));
    EXPECT_EQ(first.address.text(), "172.30.9.129/24");
    EXPECT_EQ(first.address6.text(), "fd30::2/64");
    EXPECT_EQ(first.gateway.text(), "172.30.9.1");
    auto fixed = value(network->allocate("b", {.address = ip("172.30.9.7")}));
    EXPECT_EQ(fixed.address.text(), "172.30.9.7/24");
    auto taken = network->allocate("c", {.address = ip("172.30.9.1")});
    EXPECT_EQ(taken.error().message(), "Address already in use: 172.30.9.1 belongs to the gateway or an auxiliary address");
    // What failed on one family gives back the other.
    EXPECT_FALSE(network->allocate("c", {.address = ip("172.30.9.8"), .address6 = ip("fd30::2")}));
    EXPECT_TRUE(network->allocate("d", {.address = ip("172.30.9.8")}));
    auto again = value(BridgeNetwork::create(host_, {.bridge = {.name = "tb0", .ipv6 = true}}));
    EXPECT_EQ(again->bridge().address6.text(), "fd30::1/64");
    value(again->restore("a", first));
    EXPECT_FALSE(again->allocate("e", {.address = first.address.address}));
    again->release(first);
    EXPECT_TRUE(again->allocate("e", {.address = first.address.address}));
}

TEST_F(Sandboxes, range_without_an_address_is_the_subnet) {
    auto network = value(BridgeNetwork::create(host_, {.bridge = {.name = "tb1", .internal = true}, .range = prefix("10.77.0.0/24")}));
    EXPECT_EQ(network->bridge().address.text(), "10.77.0.1/24");
    auto endpoint = value(network->allocate("a"));
    EXPECT_EQ(endpoint.address.text(), "10.77.0.2/24");
    EXPECT_TRUE(endpoint.gateway.is_none());
    value(remove_bridge(host_, "tb1"));
}

TEST_F(Sandboxes, resolver_sockets_get_what_goes_to_port_53) {
    NamespaceOptions options;
    options.resolver = true;
    auto space = std::move(value(make_namespaces(1, options)).front());
    ASSERT_TRUE(space.resolver.udp && space.resolver.tcp);
    value(run_inside(space.descriptor.get(), []() -> Result<void> {
        sockaddr_storage server;
        socklen_t size = ip("127.0.0.11").to_socket_address(53, server);
        os::Fd asker(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::sendto(asker.get(), "ask", 3, 0, reinterpret_cast<sockaddr*>(&server), size) != 3) return fail_errno("sendto");
        // A name server of the container's own finds the port free.
        os::Fd own(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        size = os::IpAddress::any4().to_socket_address(53, server);
        if (::bind(own.get(), reinterpret_cast<sockaddr*>(&server), size) < 0) return fail_errno("bind");
        return {};
    }));
    char buffer[16];
    EXPECT_EQ(::recv(space.resolver.udp.get(), buffer, sizeof buffer, MSG_DONTWAIT), 3);
    // Made again, as after a resolver was killed: the new ones are asked.
    ResolverSockets again;
    value(run_inside(space.descriptor.get(), [&]() -> Result<void> {
        again = TRY(open_resolver_sockets());
        sockaddr_storage server;
        socklen_t size = ip("127.0.0.11").to_socket_address(53, server);
        os::Fd asker(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::sendto(asker.get(), "more", 4, 0, reinterpret_cast<sockaddr*>(&server), size) != 4) return fail_errno("sendto");
        return {};
    }));
    EXPECT_EQ(::recv(again.udp.get(), buffer, sizeof buffer, MSG_DONTWAIT), 4);
}

TEST_F(Sandboxes, statistics_are_read_from_outside) {
    auto pool = make_pool(0);
    auto sandbox = value(pool->take());
    value(configure(sandbox, {.address = prefix("172.30.9.2/24")}));
    EXPECT_TRUE(reaches(sandbox.space.descriptor.get(), "172.30.9.1"));
    auto all = value(read_interface_statistics_inside(sandbox.space.descriptor.get()));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_GT(all["eth0"].tx_packets, 0u);
    EXPECT_TRUE(read_interface_statistics(::getpid())->contains("tb0"));
    EXPECT_FALSE(read_interface_statistics(-1));
}

TEST_F(Sandboxes, leftovers_of_a_killed_daemon_are_removed) {
    auto pool = make_pool(0);
    auto kept = value(pool->take()), lost = value(pool->take());
    EXPECT_EQ(value(remove_leftovers(host_, bridge_, "vethp", {kept.interface.host_name})), 1u);
    EXPECT_TRUE(os::find_link(host_, kept.interface.host_name));
    EXPECT_FALSE(os::find_link(host_, lost.interface.host_name));
}

TEST_F(Sandboxes, measured_times) {
    auto pool = make_pool(1);
    int64_t take = 0, setting = 0;
    constexpr int kRounds = 30;
    std::vector<int64_t> takes, configures;
    for (int i = 0; i < kRounds; i++) {
        pool->wait_until_full();
        int64_t start = monotonic_nanoseconds();
        auto sandbox = value(pool->take());
        take = monotonic_nanoseconds();
        value(configure(sandbox, {.address = prefix("172.30.9.2/24"), .gateway = ip("172.30.9.1")}));
        setting = monotonic_nanoseconds();
        takes.push_back(take - start);
        configures.push_back(setting - take);
    }
    std::sort(takes.begin(), takes.end());
    std::sort(configures.begin(), configures.end());
    auto on_demand = make_pool(0);
    int64_t start = monotonic_nanoseconds();
    for (int i = 0; i < kRounds; i++) value(on_demand->take());
    int64_t each = (monotonic_nanoseconds() - start) / kRounds;
    RecordProperty("take_us", static_cast<int>(takes[kRounds / 2] / 1000));
    fprintf(stderr, "take %d us, configure %d us, made on demand %d us (medians of %d)\n", int(takes[kRounds / 2] / 1000),
            int(configures[kRounds / 2] / 1000), int(each / 1000), kRounds);
}

TEST_F(Sandboxes, full_bridge_is_named) {
    auto other_ends = value(make_namespaces(1, {}));
    for (int i = 0; i < 1023;) {
        os::NetlinkBatch batch;
        for (int end = std::min(i + 33, 1023); i < end; i++)
            os::add_veth(batch, {.host_name = concat("full", i),
                                 .host_master = bridge_.index,
                                 .peer_name = concat("peer", i),
                                 .peer_mac = os::random_mac(),
                                 .peer_namespace = other_ends[0].descriptor.get(),
                                 .mtu = bridge_.mtu});
        value(host_.transact(batch));
    }
    auto refused = make_pool(0)->take();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "bridge tb0 is full: the kernel allows one bridge 1023 interfaces; use a further network for more containers");
}

}  // namespace
}  // namespace proa::network
