#include "network/port_allocator.h"

#include "network/test_world.h"

namespace proa::network {
namespace {
using namespace test;

class Ports : public WorldTest {
protected:
    PortAllocator allocator_;
};

os::Fd listener(std::string_view address, uint16_t port, int type = SOCK_STREAM) {
    auto ip_address = ip(address);
    os::Fd socket(::socket(ip_address.family(), type | SOCK_CLOEXEC, 0));
    int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_storage storage;
    auto size = ip_address.to_socket_address(port, storage);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) < 0) return {};
    if (type == SOCK_STREAM && ::listen(socket.get(), 1) < 0) return {};
    return socket;
}

TEST_F(Ports, explicit_port_is_held_on_both_families_and_named_in_conflicts) {
    auto first = value(allocator_.reserve({.container_port = 80, .first = 8080}));
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[0].host_ip.text(), "0.0.0.0");
    EXPECT_EQ(first[1].host_ip.text(), "::");
    auto second = allocator_.reserve({.container_port = 80, .first = 8080});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(), "Bind for 0.0.0.0:8080 failed: port is already allocated");
    auto loopback = allocator_.reserve({.container_port = 80, .host_ip = ip("127.0.0.1"), .first = 8080});
    EXPECT_EQ(loopback.error().message(), "Bind for 127.0.0.1:8080 failed: port is already allocated");
    EXPECT_TRUE(allocator_.reserve({.protocol = Protocol::Udp, .container_port = 80, .first = 8080}));
    EXPECT_FALSE(listener("0.0.0.0", 8080));
    EXPECT_FALSE(listener("127.0.0.1", 8080));
    first.clear();
    allocator_.release(Protocol::Tcp, ip("0.0.0.0"), 8080);
    allocator_.release(Protocol::Tcp, ip("::"), 8080);
    EXPECT_TRUE(allocator_.reserve({.container_port = 80, .first = 8080}));
}

TEST_F(Ports, holder_outside_is_named) {
    auto other = listener("127.0.0.1", 8081);
    ASSERT_TRUE(other);
    auto refused = allocator_.reserve({.container_port = 80, .first = 8081});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), concat("failed to bind host port 0.0.0.0:8081/tcp: address already in use (held by ",
                                                "network_test, process ", ::getpid(), ')'));
    auto udp = listener("127.0.0.1", 8082, SOCK_DGRAM);
    EXPECT_FALSE(allocator_.reserve({.protocol = Protocol::Udp, .container_port = 80, .first = 8082}));
    auto absent = allocator_.reserve({.container_port = 80, .host_ip = ip("203.0.113.9"), .first = 8083});
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().message(), "failed to bind host port 203.0.113.9:8083/tcp: cannot assign requested address");
}

TEST_F(Ports, refused_request_holds_nothing) {
    auto other = listener("::", 8084);  // also takes the IPv4 side
    ASSERT_TRUE(other);
    EXPECT_FALSE(allocator_.reserve({.container_port = 80, .first = 8084}));
    other.reset();
    EXPECT_TRUE(allocator_.reserve({.container_port = 80, .first = 8084}));
}

TEST_F(Ports, ranges_take_the_first_free_one) {
    auto other = listener("0.0.0.0", 8090);
    auto a = value(allocator_.reserve({.container_port = 80, .first = 8090, .last = 8092}));
    auto b = value(allocator_.reserve({.container_port = 80, .first = 8090, .last = 8092}));
    EXPECT_EQ(a[0].host_port, 8091);
    EXPECT_EQ(b[0].host_port, 8092);
    auto c = allocator_.reserve({.container_port = 80, .first = 8090, .last = 8092});
    EXPECT_EQ(c.error().message(), "all ports are allocated");
    EXPECT_FALSE(allocator_.reserve({.container_port = 80, .first = 9, .last = 8}));
}

TEST_F(Ports, ephemeral_ones_are_equal_on_both_families_and_follow_the_sysctl) {
    value(write_sysctl("net.ipv4.ip_local_port_range", "40000 40002"));
    auto other = listener("::1", 40001);
    auto a = value(allocator_.reserve({.container_port = 80}));
    auto b = value(allocator_.reserve({.container_port = 80}));
    EXPECT_EQ(a[0].host_port, 40000);
    EXPECT_EQ(a[1].host_port, 40000);
    EXPECT_EQ(b[0].host_port, 40002);
    EXPECT_FALSE(allocator_.reserve({.container_port = 80}));
    value(write_sysctl("net.ipv4.ip_local_port_range", "32768 60999"));
}

TEST_F(Ports, restored_ports_are_taken) {
    allocator_.restore(Protocol::Tcp, ip("0.0.0.0"), 8100);
    EXPECT_EQ(allocator_.reserve({.container_port = 80, .first = 8100}).error().message(),
              "Bind for 0.0.0.0:8100 failed: port is already allocated");
}

TEST_F(Ports, ranges_without_sockets_meet_only_who_is_in_the_way) {
    auto busy = BusyPorts::read();
    auto range = [&](std::string_view address, uint16_t first, uint16_t count, const BusyPorts& locals) {
        return allocator_.reserve({.container_port = 80, .host_ip = ip(address), .first = first, .count = count}, &locals);
    };
    auto reserved = value(allocator_.reserve({.container_port = 10000, .first = 10000, .count = 50000}, &busy));
    ASSERT_EQ(reserved.size(), 2u);
    EXPECT_EQ(reserved[0].count, 50000);
    EXPECT_FALSE(reserved[0].socket);
    EXPECT_EQ(range("127.0.0.1", 9000, 1500, busy).error().message(), "Bind for 127.0.0.1:10000 failed: port is already allocated");
    EXPECT_EQ(allocator_.reserve({.container_port = 80, .first = 59999}).error().message(), "Bind for 0.0.0.0:59999 failed: port is already allocated");
    EXPECT_FALSE(range("0.0.0.0", 65000, 1000, busy)) << "beyond the last port";
    // One port of it comes free, and somebody takes it.
    allocator_.release(Protocol::Tcp, ip("0.0.0.0"), 20000);
    auto other = listener("127.0.0.1", 20000);
    ASSERT_TRUE(other);
    EXPECT_EQ(range("0.0.0.0", 20000, 1, BusyPorts::read()).error().message().substr(0, 74),
              "failed to bind host port 0.0.0.0:20000/tcp: address already in use (held b");
    other.reset();
    EXPECT_TRUE(range("0.0.0.0", 20000, 1, BusyPorts::read()));
    allocator_.release(Protocol::Tcp, ip("0.0.0.0"), 10000, 50000);
    allocator_.release(Protocol::Tcp, ip("::"), 10000, 50000);
    auto another = listener("0.0.0.0", 45000);
    EXPECT_EQ(range("0.0.0.0", 40000, 10000, BusyPorts::read()).error().message().substr(0, 42), "failed to bind host port 0.0.0.0:45000/tcp");
    EXPECT_TRUE(range("::", 40000, 10000, BusyPorts::read())) << "a listener on IPv4 is not in the way of IPv6";
    auto both = listener("::", 62000);
    EXPECT_FALSE(range("127.0.0.1", 61000, 2000, BusyPorts::read())) << "one on :: may be in the way of IPv4";
    EXPECT_EQ(range("203.0.113.9", 61000, 2, busy).error().message(), "failed to bind host port 203.0.113.9:61000/tcp: cannot assign requested address");
    allocator_.restore(Protocol::Tcp, ip("0.0.0.0"), 100, 50);
    EXPECT_FALSE(range("0.0.0.0", 149, 2, busy));
    EXPECT_TRUE(range("0.0.0.0", 150, 2, busy));
}

TEST_F(Ports, sctp_is_reserved_with_or_without_sockets) {
    auto reserved = value(allocator_.reserve({.protocol = Protocol::Sctp, .container_port = 80, .host_ip = ip("0.0.0.0"), .first = 8200}));
    EXPECT_EQ(reserved.size(), 1u);
    EXPECT_FALSE(allocator_.reserve({.protocol = Protocol::Sctp, .container_port = 80, .host_ip = ip("0.0.0.0"), .first = 8200}));
}

}  // namespace
}  // namespace proa::network
