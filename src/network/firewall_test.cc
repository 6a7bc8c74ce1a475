#include "network/firewall.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "base/time.h"
#include "network/port_allocator.h"
#include "network/test_world.h"
#include "os/file.h"

namespace proa::network {
namespace {
using namespace test;

constexpr int kPatienceMs = 400;

os::Fd socket_in(int space, int family, int type) {
    os::Fd socket;
    auto open = [&]() -> Result<void> {
        socket = os::Fd(::socket(family, type | SOCK_CLOEXEC, 0));
        return {};
    };
    value(space < 0 ? open() : run_inside(space, open));
    return socket;
}

/// Answers each TCP connection or UDP packet with the address from which it came.
class Server {
public:
    Server(int space, std::string_view address, uint16_t port, int type = SOCK_STREAM) : type_(type) {
        auto ip_address = ip(address);
        socket_ = socket_in(space, ip_address.family(), type);
        sockaddr_storage storage;
        auto size = ip_address.to_socket_address(port, storage);
        int on = 1;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&storage), size) < 0) throw std::runtime_error("bind");
        if (type == SOCK_STREAM && ::listen(socket_.get(), 64) < 0) throw std::runtime_error("listen");
        stop_ = value(os::make_eventfd());
        thread_ = std::thread([this] { run(); });
    }
    ~Server() {
        os::signal_eventfd(stop_.get());
        thread_.join();
    }

private:
    void run() {
        for (;;) {
            pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
            ::poll(fds, 2, -1);
            if (fds[1].revents) return;
            sockaddr_storage peer{};
            socklen_t size = sizeof peer;
            if (type_ == SOCK_STREAM) {
                os::Fd connection(::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
                std::string answer = text_of(peer);
                [[maybe_unused]] auto put = ::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
            } else {
                char buffer[64];
                ::recvfrom(socket_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&peer), &size);
                std::string answer = text_of(peer);
                ::sendto(socket_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
            }
        }
    }
    static std::string text_of(const sockaddr_storage& peer) {
        if (peer.ss_family == AF_INET)
            return os::IpAddress::from_bytes({reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in&>(peer).sin_addr), 4}).text();
        return os::IpAddress::from_bytes({reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr), 16}).text();
    }
    int type_;
    os::Fd socket_, stop_;
    std::thread thread_;
};

/// The server's answer, "refused" or "silence".
std::string ask(int space, std::string_view address, uint16_t port, int type = SOCK_STREAM, os::Fd* reuse = nullptr) {
    auto target = ip(address);
    os::Fd fresh = reuse && *reuse ? os::Fd() : socket_in(space, target.family(), type);
    if (reuse && !*reuse) *reuse = std::move(fresh);
    int socket = reuse ? reuse->get() : fresh.get();
    timeval patience{0, kPatienceMs * 1000};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage storage;
    auto size = target.to_socket_address(port, storage);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&storage), size) < 0) return errno == ECONNREFUSED ? "refused" : "silence";
    if (type == SOCK_DGRAM) ::send(socket, "?", 1, MSG_NOSIGNAL);
    char buffer[128];
    ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) return got < 0 && errno == ECONNREFUSED ? "refused" : "silence";
    return std::string(buffer, static_cast<size_t>(got));
}

class Firewalls : public WorldTest {
protected:
    void SetUp() override {
        WorldTest::SetUp();
        if (!entered_) return;
        add_outside();
        bridge_ = value(ensure_bridge(host_, {.name = "tb0", .address = prefix("172.30.9.1/24"), .address6 = prefix("fd30::1/64"), .ipv6 = true}));
        other_ = value(ensure_bridge(host_, {.name = "tb1", .address = prefix("172.30.10.1/24")}));
        one_ = container(bridge_, "172.30.9.2", "fd30::2");
        two_ = container(bridge_, "172.30.9.3", "fd30::3");
        far_ = container(other_, "172.30.10.2");
        // The outside knows a way to the containers, as a hostile neighbour would.
        os::NetlinkBatch batch;
        os::add_route(batch, {.destination = prefix("172.30.0.0/16"), .gateway = ip("10.9.0.1"), .link = outside_link()});
        os::add_route(batch, {.destination = prefix("fd30::/64"), .gateway = ip("fd09::1"), .link = outside_link()});
        value(outside_->netlink.transact(batch));
        firewall_ = value(Firewall::open("proa-test"));
        value(firewall_->reconcile({FirewallBridge::of(bridge_), FirewallBridge::of(other_)}, {}));
    }
    void TearDown() override {
        if (!entered_) return;
        if (firewall_) value(firewall_->remove_table());
        firewall_.reset();
        one_.reset();
        two_.reset();
        far_.reset();
        value(remove_bridge(host_, "tb0"));
        value(remove_bridge(host_, "tb1"));
        remove_outside();
        EXPECT_TRUE(wait_for_links(links_before_));
    }
    int outside_link() { return value(os::find_link(outside_->netlink, "eth0")).index; }
    int outside() const { return outside_->descriptor.get(); }
    static int space(const std::optional<Sandbox>& sandbox) { return sandbox->space.descriptor.get(); }

    std::optional<Sandbox> container(const Bridge& bridge, std::string_view address, std::string_view address6 = {}) {
        auto pool = value(NamespacePool::create({.size = 0, .bridge = bridge}));
        Sandbox sandbox = value(pool->take());
        Endpoint endpoint{.address = {ip(address), bridge.address.length}, .gateway = bridge.address.address};
        if (!address6.empty()) {
            endpoint.address6 = {ip(address6), 64};
            endpoint.gateway6 = bridge.address6.address;
        }
        value(configure(sandbox, endpoint));
        return sandbox;
    }
    /// The kernel notices the carrier of a bridge that has just got its first port up to a second late; IPv6 waits for that.
    void wait_for_ipv6() {
        Server probe(space(one_), "fd30::2", 99);
        for (int i = 0; i < 10 && ask(-1, "fd30::2", 99) != "fd30::1"; i++) {}
    }
    static Publication published(std::string_view host, uint16_t port, std::string_view target, uint16_t target_port,
                                 Protocol protocol = Protocol::Tcp) {
        return {protocol, ip(host), port, ip(target), target_port, 1};
    }
    Result<void> publish(const Publication& publication) { return firewall_->publish({&publication, 1}); }
    Result<void> unpublish(const Publication& publication) { return firewall_->unpublish({&publication, 1}); }

    void check_published_port() {
        Server server(space(one_), "0.0.0.0", 80);
        EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "refused");
        value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
        EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2") << "outside, source address kept";
        EXPECT_EQ(ask(-1, "127.0.0.1", 8080), "172.30.9.1") << "host by loopback";
        EXPECT_EQ(ask(-1, "10.9.0.1", 8080), "10.9.0.1") << "host by its own address";
        EXPECT_EQ(ask(-1, "172.30.9.1", 8080), "172.30.9.1") << "host by the bridge's address";
        EXPECT_EQ(ask(space(two_), "172.30.9.1", 8080), "172.30.9.1") << "neighbour by the gateway";
        EXPECT_EQ(ask(space(two_), "10.9.0.1", 8080), "172.30.9.1") << "neighbour by the host's address";
        EXPECT_EQ(ask(space(one_), "10.9.0.1", 8080), "172.30.9.1") << "hairpin to itself";
        EXPECT_EQ(ask(space(far_), "10.9.0.1", 8080), "172.30.9.1") << "container of another network";
        value(unpublish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
        EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "refused");
    }

    Bridge bridge_, other_;
    std::optional<Sandbox> one_, two_, far_;
    std::unique_ptr<Firewall> firewall_;
};

TEST_F(Firewalls, published_port_is_reached_from_everywhere) { check_published_port(); }

TEST_F(Firewalls, published_port_is_reached_without_br_netfilter_too) {
    auto state = read_sysctl("net.bridge.bridge-nf-call-iptables");
    if (!state) GTEST_SKIP() << "no br_netfilter here";
    value(write_sysctl("net.bridge.bridge-nf-call-iptables", "0"));
    one_.reset();
    one_ = container(bridge_, "172.30.9.2", "fd30::2");  // its port was made for the other mode
    check_published_port();
    value(write_sysctl("net.bridge.bridge-nf-call-iptables", *state));
}

TEST_F(Firewalls, containers_reach_the_world_under_the_hosts_address) {
    Server tcp(outside(), "0.0.0.0", 90), udp(outside(), "0.0.0.0", 90, SOCK_DGRAM), tcp6(outside(), "fd09::2", 91);
    EXPECT_EQ(ask(space(one_), "10.9.0.2", 90), "10.9.0.1");
    EXPECT_EQ(ask(space(one_), "10.9.0.2", 90, SOCK_DGRAM), "10.9.0.1");
    EXPECT_EQ(ask(space(one_), "fd09::2", 91), "fd09::1");
    auto routed = FirewallBridge::of(bridge_);
    routed.masquerade = false;
    value(firewall_->add_bridge(routed));
    EXPECT_EQ(ask(space(one_), "10.9.0.2", 90), "172.30.9.2");
}

TEST_F(Firewalls, unpublished_ports_are_closed_to_all_but_the_own_network_and_the_host) {
    Server server(space(one_), "0.0.0.0", 80), server6(space(one_), "fd30::2", 81);
    EXPECT_EQ(ask(outside(), "172.30.9.2", 80), "silence");
    EXPECT_EQ(ask(outside(), "fd30::2", 81), "silence");
    EXPECT_EQ(ask(space(far_), "172.30.9.2", 80), "silence");
    EXPECT_EQ(ask(space(two_), "172.30.9.2", 80), "172.30.9.3");
    EXPECT_EQ(ask(-1, "172.30.9.2", 80), "172.30.9.1");
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    EXPECT_EQ(ask(outside(), "172.30.9.2", 80), "silence") << "published, but asked directly";
    auto open = FirewallBridge::of(bridge_);
    open.open = true;
    value(firewall_->add_bridge(open));
    EXPECT_EQ(ask(outside(), "172.30.9.2", 80), "10.9.0.2") << "gateway mode nat-unprotected";
}

TEST_F(Firewalls, loopback_publication_is_the_hosts_own) {
    Server server(space(one_), "0.0.0.0", 80);
    value(publish(published("127.0.0.1", 8080, "172.30.9.2", 80)));
    EXPECT_EQ(ask(-1, "127.0.0.1", 8080), "172.30.9.1");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "refused");
    EXPECT_EQ(ask(space(two_), "172.30.9.1", 8080), "refused");
    // A neighbour that sends packets to 127.0.0.1 over the wire, and a careless administrator who let them in.
    value(write_sysctl("net.ipv4.conf.uplink.route_localnet", "1"));
    value(run_inside(outside(), []() -> Result<void> { return write_sysctl("net.ipv4.conf.eth0.route_localnet", "1"); }));
    os::NetlinkBatch batch;
    batch.begin(24 /* RTM_NEWROUTE */, NLM_F_CREATE | NLM_F_ACK, "route 127.0.0.2/32 over the wire");
    struct { uint8_t family = AF_INET, dst_len = 32, src_len = 0, tos = 0, table = 254, protocol = 4, scope = 0, type = 1; uint32_t flags = 0; } header;
    batch.header(header);
    batch.put(1, ip("127.0.0.2").bytes());
    batch.put(5, ip("10.9.0.1").bytes());
    batch.put_u32(4, static_cast<uint32_t>(outside_link()));
    value(outside_->netlink.transact(batch));
    value(publish(published("127.0.0.2", 8081, "172.30.9.2", 80)));
    os::NetlinkBatch down;
    os::remove_address(down, 1, prefix("127.0.0.1/8"));
    value(outside_->netlink.transact(down));
    EXPECT_EQ(ask(-1, "127.0.0.2", 8081), "172.30.9.1");
    EXPECT_EQ(ask(outside(), "127.0.0.2", 8081), "silence");
}

TEST_F(Firewalls, containers_cannot_reach_the_hosts_loopback) {
    Server secret(-1, "127.0.0.3", 99);
    EXPECT_EQ(ask(-1, "127.0.0.3", 99), "127.0.0.1");
    value(run_inside(space(one_), []() -> Result<void> { return write_sysctl("net.ipv4.conf.eth0.route_localnet", "1"); }));
    os::NetlinkBatch batch;
    os::remove_address(batch, 1, prefix("127.0.0.1/8"));
    os::add_route(batch, {.destination = prefix("127.0.0.3/32"), .gateway = ip("172.30.9.1"), .link = one_->interface.index});
    value(one_->space.netlink.transact(batch));
    EXPECT_EQ(ask(space(one_), "127.0.0.3", 99), "silence");
}

TEST_F(Firewalls, udp_follows_a_new_container_at_once) {
    auto first = std::make_optional<Server>(space(one_), "0.0.0.0", 53, SOCK_DGRAM);
    Server second(space(two_), "0.0.0.0", 53, SOCK_DGRAM);
    auto old = published("0.0.0.0", 5353, "172.30.9.2", 53, Protocol::Udp);
    auto fresh = published("0.0.0.0", 5353, "172.30.9.3", 53, Protocol::Udp);
    value(publish(old));
    os::Fd client;
    EXPECT_EQ(ask(outside(), "10.9.0.1", 5353, SOCK_DGRAM, &client), "10.9.0.2");
    EXPECT_EQ(ask(-1, "127.0.0.1", 5353, SOCK_DGRAM), "172.30.9.1");
    first.reset();
    value(unpublish(old));
    value(publish(fresh));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 5353, SOCK_DGRAM, &client), "10.9.0.2") << "same client socket, same flow";
}

TEST_F(Firewalls, ipv6_is_forwarded_where_the_container_has_it) {
    Server server(space(one_), "fd30::2", 80);
    wait_for_ipv6();
    value(publish(published("::", 8080, "fd30::2", 80)));
    EXPECT_EQ(ask(outside(), "fd09::1", 8080), "fd09::2");
    EXPECT_EQ(ask(-1, "fd09::1", 8080), "fd09::1");
    EXPECT_EQ(ask(space(two_), "fd30::1", 8080), "fd30::1");
    EXPECT_EQ(ask(-1, "::1", 8080), "refused") << "left to the shim's proxy";
    auto specific = published("fd09::1", 8081, "fd30::2", 80);
    value(publish(specific));
    EXPECT_EQ(ask(outside(), "fd09::1", 8081), "fd09::2");
    EXPECT_EQ(ask(space(two_), "fd30::1", 8081), "refused");
    EXPECT_TRUE(published("::", 80, "fd30::2", 80).needs_proxy());
    EXPECT_TRUE(published("::", 80, "172.30.9.2", 80).needs_proxy());
    EXPECT_FALSE(published("::", 80, "172.30.9.2", 80).kernel_forwards());
    EXPECT_FALSE(specific.needs_proxy());
    EXPECT_FALSE(published("0.0.0.0", 80, "172.30.9.2", 80).needs_proxy());
}

TEST_F(Firewalls, address_and_any_publications_stay_apart) {
    Server a(space(one_), "0.0.0.0", 80);
    value(publish(published("10.9.0.1", 8080, "172.30.9.2", 80)));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(-1, "127.0.0.1", 8080), "refused");
    // Forwarded packets to somebody else's port 8080 are none of our business.
    Server elsewhere(outside(), "0.0.0.0", 8080);
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80, Protocol::Udp)));
    EXPECT_EQ(ask(space(two_), "10.9.0.2", 8080), "10.9.0.1");
}

TEST_F(Firewalls, internal_networks_have_no_way_out_or_in) {
    Server world(outside(), "0.0.0.0", 90), inside(space(far_), "0.0.0.0", 80), published_one(space(one_), "0.0.0.0", 80);
    auto internal = FirewallBridge::of(other_);
    internal.internal = true;
    value(firewall_->add_bridge(internal));
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    EXPECT_EQ(ask(space(far_), "10.9.0.2", 90), "silence");
    EXPECT_EQ(ask(space(far_), "10.9.0.1", 8080), "silence");
    EXPECT_EQ(ask(outside(), "172.30.10.2", 80), "silence");
    EXPECT_EQ(ask(-1, "172.30.10.2", 80), "172.30.10.1");
}

/// Until no TCP connection of the namespace is open: all sockets listen (0A) or wait for stragglers (06). man: proc(5)
void wait_for_closed_connections(int descriptor) {
    bool open = true;
    for (int i = 0; open && i < 2000; i++, ::usleep(5000))
        value(run_inside(descriptor, [&]() -> Result<void> {
            auto table = value(os::read_file("/proc/thread-self/net/tcp", 1 << 20));
            auto lines = split(table, '\n');
            open = std::any_of(lines.begin() + 1, lines.end(), [](auto& line) {
                auto fields = split_fields(line);
                return fields.size() > 3 && fields[3] != "0A" && fields[3] != "06";
            });
            return {};
        }));
}

TEST_F(Firewalls, foreign_forwarding_is_dropped_when_asked) {
    auto stranger = value(ensure_bridge(host_, {.name = "tb2", .address = prefix("172.30.11.1/24")}));
    auto other = container(stranger, "172.30.11.2");
    Server server(space(other), "0.0.0.0", 80), world(outside(), "0.0.0.0", 90), inside(space(one_), "0.0.0.0", 80);
    EXPECT_EQ(ask(outside(), "172.30.11.2", 80), "10.9.0.2") << "not ours, not our business";
    // A connection whose last packets the new rule drops would hold its namespace for minutes.
    wait_for_closed_connections(outside());
    wait_for_closed_connections(space(other));
    value(firewall_->drop_foreign_forwarding(true));
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    EXPECT_EQ(ask(outside(), "172.30.11.2", 80), "silence");
    EXPECT_EQ(ask(space(one_), "10.9.0.2", 90), "10.9.0.1");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    other.reset();
    value(remove_bridge(host_, "tb2"));
}

TEST_F(Firewalls, publish_is_all_or_nothing) {
    Server server(space(one_), "0.0.0.0", 80);
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    std::vector<Publication> both = {published("0.0.0.0", 8081, "172.30.9.3", 80), published("0.0.0.0", 8080, "172.30.9.3", 80)};
    auto refused = firewall_->publish(both);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "published twice: 0.0.0.0:8080/tcp");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8081), "refused");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));  // again: no error
    value(unpublish(published("0.0.0.0", 9999, "172.30.9.2", 80)));
}

TEST_F(Firewalls, restarted_daemon_brings_the_table_to_what_the_records_say) {
    Server server(space(one_), "0.0.0.0", 80), stale_server(space(two_), "0.0.0.0", 80);
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    value(publish(published("0.0.0.0", 8081, "172.30.9.3", 80)));
    firewall_.reset();  // killed: rules stay and work
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    firewall_ = value(Firewall::open("proa-test"));
    value(firewall_->reconcile({FirewallBridge::of(bridge_)}, {published("0.0.0.0", 8080, "172.30.9.2", 80)}));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8081), "refused");
}

TEST_F(Firewalls, flushed_table_is_put_back) {
    Server server(space(one_), "0.0.0.0", 80);
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80)));
    EXPECT_FALSE(value(firewall_->handle_changes())) << "own changes are no damage";
    auto flush = [] {
        auto socket = value(os::NetlinkSocket::open(NETLINK_NETFILTER));
        NftTransaction change("proa-test");
        change.delete_table();
        value(change.commit(socket));
    };
    flush();
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "refused");
    ASSERT_TRUE(value(os::wait_readable(firewall_->watch_fd(), 1000)));
    EXPECT_TRUE(value(firewall_->handle_changes()));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_FALSE(value(firewall_->handle_changes()));
    flush();  // and one that is noticed by the next change only
    value(publish(published("0.0.0.0", 8082, "172.30.9.2", 80)));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8082), "10.9.0.2");
    auto other_socket = value(os::NetlinkSocket::open(NETLINK_NETFILTER));
    NftTransaction other("somebody");
    other.add_table();
    value(other.commit(other_socket));
    NftTransaction other_end("somebody");
    other_end.delete_table();
    value(other_end.commit(other_socket));
    value(firewall_->handle_changes());
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
}

TEST_F(Firewalls, two_daemons_do_not_meet) {
    auto second = value(Firewall::open("proa-second"));
    value(second->reconcile({FirewallBridge::of(other_)}, {published("0.0.0.0", 8081, "172.30.10.2", 80)}));
    Server a(space(one_), "0.0.0.0", 80), b(space(far_), "0.0.0.0", 80);
    value(firewall_->reconcile({FirewallBridge::of(bridge_)}, {published("0.0.0.0", 8080, "172.30.9.2", 80)}));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8081), "10.9.0.2");
    value(second->remove_table());
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8081), "refused");
}

TEST_F(Firewalls, reserved_sockets_do_not_get_in_the_way) {
    PortAllocator allocator;
    Server server(space(one_), "0.0.0.0", 80);
    auto reserved = value(allocator.reserve({.container_port = 80, .first = 8080}));
    std::vector<Publication> publications;
    for (auto& port : reserved) publications.push_back(port.publication(ip("172.30.9.2")));
    value(firewall_->publish(publications));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 8080), "10.9.0.2");
    EXPECT_EQ(ask(-1, "127.0.0.1", 8080), "172.30.9.1");
    EXPECT_EQ(ask(-1, "::1", 8080), "silence") << "accepted by nobody here: the shim's work";
}

TEST_F(Firewalls, thousands_of_ports_go_in_at_once) {
    std::vector<Publication> many;
    for (int i = 0; i < 3000; i++) many.push_back(published("0.0.0.0", static_cast<uint16_t>(20000 + i), "172.30.9.2", 80));
    value(firewall_->publish(many));
    value(firewall_->reconcile({FirewallBridge::of(bridge_)}, many));
    Server server(space(one_), "0.0.0.0", 80);
    EXPECT_EQ(ask(outside(), "10.9.0.1", 22999), "10.9.0.2");
    value(firewall_->unpublish(many));
    EXPECT_EQ(ask(outside(), "10.9.0.1", 22999), "refused");
}

TEST_F(Firewalls, ranges_of_any_size_are_a_few_elements) {
    auto range = [](std::string_view host, uint16_t first, std::string_view target, uint16_t target_first, uint16_t count, Protocol protocol = Protocol::Tcp) {
        return Publication{protocol, ip(host), first, ip(target), target_first, count};
    };
    // The same numbers, higher ones, lower ones, and all others by one address and by IPv6.
    std::vector<Publication> all = {range("0.0.0.0", 10000, "172.30.9.2", 10000, 20000),
                                    range("0.0.0.0", 30000, "172.30.9.2", 30300, 1000),
                                    range("0.0.0.0", 31000, "172.30.9.2", 10001, 9999),
                                    range("0.0.0.0", 41001, "172.30.9.2", 1, 3),
                                    range("10.9.0.1", 50000, "172.30.9.2", 40000, 10000),
                                    range("127.0.0.1", 50000, "172.30.9.2", 40000, 100),
                                    range("0.0.0.0", 10000, "172.30.9.2", 10001, 55535, Protocol::Udp),
                                    range("::", 10000, "fd30::2", 9999, 50000)};
    value(firewall_->publish(all));
    value(firewall_->publish(all));  // again: no error
    for (bool anew : {false, true}) {
        if (anew) value(firewall_->reconcile({FirewallBridge::of(bridge_)}, all));
        auto reaches = [&](std::string_view host, uint16_t port, std::string_view target, uint16_t target_port, int type = SOCK_STREAM) {
            Server server(space(one_), ip(host).is_v6() ? "fd30::2" : "0.0.0.0", target_port, type);
            EXPECT_NE(ask(ip(host).is_loopback() ? -1 : outside(), host, port, type), "refused")
                << host << ' ' << port << " to " << target_port << ' ' << target;
            return ask(ip(host).is_loopback() ? -1 : outside(), host, port, type);
        };
        for (auto [port, target] : std::map<uint16_t, uint16_t>{{10000, 10000},
                                                                {29999, 29999},
                                                                {30000, 30300},
                                                                {30999, 31299},
                                                                {31000, 10001},
                                                                {36191, 15192},
                                                                {40998, 19999},
                                                                {41001, 1},
                                                                {41003, 3},
                                                                {50000, 40000},
                                                                {59999, 49999}})
            EXPECT_EQ(reaches("10.9.0.1", port, "172.30.9.2", target), "10.9.0.2");
        for (uint16_t port : {10000, 40000, 65534}) EXPECT_EQ(reaches("10.9.0.1", port, "172.30.9.2", static_cast<uint16_t>(port + 1), SOCK_DGRAM), "10.9.0.2");
        for (uint16_t port : {10000, 59999}) EXPECT_EQ(reaches("fd09::1", port, "fd30::2", static_cast<uint16_t>(port - 1)), "fd09::2");
        EXPECT_EQ(reaches("127.0.0.1", 50099, "172.30.9.2", 40099), "172.30.9.1");
        for (uint16_t port : {9999, 41000, 41004, 49999, 60000}) EXPECT_EQ(ask(outside(), "10.9.0.1", port), "refused") << port;
        EXPECT_EQ(ask(-1, "127.0.0.1", 50100), "refused");
    }
    Publication overlapping = range("0.0.0.0", 29999, "172.30.9.3", 80, 2), inside = range("0.0.0.0", 30500, "172.30.9.3", 80, 1);
    EXPECT_EQ(publish(overlapping).error().message(), "published twice: 0.0.0.0:29999-30000/tcp");
    EXPECT_EQ(publish(inside).error().message(), "published twice: 0.0.0.0:30500/tcp");
    // A part goes, the rest stays.
    std::vector<Publication> rest = {range("0.0.0.0", 10000, "172.30.9.2", 10000, 1), range("0.0.0.0", 10002, "172.30.9.2", 10002, 19998)};
    value(firewall_->replace({&all[0], 1}, rest));
    Server before(space(one_), "0.0.0.0", 10000), last(space(one_), "0.0.0.0", 29999);
    EXPECT_EQ(ask(outside(), "10.9.0.1", 10000), "10.9.0.2");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 10001), "refused");
    EXPECT_EQ(ask(outside(), "10.9.0.1", 29999), "10.9.0.2");
    FILE* pipe = ::popen("nft list table inet proa-test 2>&1", "r");
    std::string text;
    char buffer[4096];
    while (size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
    EXPECT_EQ(::pclose(pipe), 0);
    EXPECT_EQ(text.find("Error"), std::string::npos) << text;
    EXPECT_NE(text.find("tcp . 10002-29999 : 172.30.9.2 . "), std::string::npos) << text;
    EXPECT_NE(text.find("127.0.0.1 . tcp . 50000-50015 : 172.30.9.2 . 40000-40015"), std::string::npos) << text;
}

TEST_F(Firewalls, sctp_elements_are_accepted) {
    value(publish(published("0.0.0.0", 8080, "172.30.9.2", 80, Protocol::Sctp)));
    value(unpublish(published("0.0.0.0", 8080, "172.30.9.2", 80, Protocol::Sctp)));
    EXPECT_EQ(parse_protocol("SCTP"), Protocol::Sctp);
    EXPECT_FALSE(parse_protocol("icmp"));
}

TEST_F(Firewalls, foreign_drop_policies_are_reported_with_the_remedy) {
    EXPECT_TRUE(firewall_->warnings("tb0").empty());
    ASSERT_EQ(::system("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'"), 0);
    auto texts = firewall_->warnings("tb0");
    ASSERT_EQ(texts.size(), 1u);
    EXPECT_EQ(texts[0],
              "another firewall drops forwarded packets (table filter, chain FORWARD, policy drop): containers on tb0 may not reach the "
              "network; to allow them: iptables -I FORWARD -i tb0 -j ACCEPT; iptables -I FORWARD -o tb0 -j ACCEPT");
    ASSERT_EQ(::system("nft 'add rule ip filter FORWARD iifname tb0 accept'"), 0);
    EXPECT_TRUE(firewall_->warnings("tb0").empty());
    ASSERT_EQ(::system("nft delete table ip filter"), 0);
}

TEST_F(Firewalls, table_is_readable_by_nft) {
    value(publish(published("127.0.0.1", 8080, "172.30.9.2", 80)));
    value(publish(published("0.0.0.0", 8081, "172.30.9.2", 81, Protocol::Udp)));
    FILE* pipe = ::popen("nft list table inet proa-test 2>&1", "r");
    std::string text;
    char buffer[4096];
    while (size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
    EXPECT_EQ(::pclose(pipe), 0);
    EXPECT_NE(text.find("127.0.0.1 . tcp . 8080 : 172.30.9.2 . 80"), std::string::npos) << text;
    EXPECT_NE(text.find("udp . 8081 : 172.30.9.2 . 81"), std::string::npos) << text;
    if (::getenv("SHOW_TABLE")) fputs(text.c_str(), stderr);
}

TEST_F(Firewalls, measured_times) {
    auto publication = published("0.0.0.0", 8080, "172.30.9.2", 80);
    constexpr int kRounds = 100;
    int64_t start = monotonic_nanoseconds();
    for (int i = 0; i < kRounds; i++) {
        value(publish(publication));
        value(unpublish(publication));
    }
    int64_t pair = (monotonic_nanoseconds() - start) / kRounds;
    start = monotonic_nanoseconds();
    for (int i = 0; i < kRounds; i++) value(firewall_->reconcile({FirewallBridge::of(bridge_)}, {publication}));
    int64_t whole = (monotonic_nanoseconds() - start) / kRounds;
    fprintf(stderr, "publish and unpublish %d us, whole table %d us\n", int(pair / 1000), int(whole / 1000));
}

}  // namespace
}  // namespace proa::network
