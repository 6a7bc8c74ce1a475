#include "network/address_pool.h"

#include <gtest/gtest.h>

namespace proa::network {
namespace {

os::IpPrefix prefix(std::string_view text) { return *os::IpPrefix::parse(text); }
os::IpAddress ip(std::string_view text) { return *os::IpAddress::parse(text); }

AddressPool pool_of(std::string_view subnet, std::optional<os::IpPrefix> range = std::nullopt) {
    return std::move(*AddressPool::create({.subnet = prefix(subnet), .range = range}));
}

TEST(AddressPool, gives_addresses_in_turn_and_reuses_a_freed_one_last) {
    auto pool = pool_of("10.1.0.0/29");
    ASSERT_TRUE(pool.request(ip("10.1.0.1"), "gateway"));
    EXPECT_EQ(pool.next("a")->text(), "10.1.0.2");
    EXPECT_EQ(pool.next("b")->text(), "10.1.0.3");
    pool.release(ip("10.1.0.2"));
    EXPECT_EQ(pool.next("c")->text(), "10.1.0.4");
    EXPECT_EQ(pool.next("d")->text(), "10.1.0.5");
    EXPECT_EQ(pool.next("e")->text(), "10.1.0.6");
    EXPECT_EQ(pool.next("f")->text(), "10.1.0.2");
    auto full = pool.next("g");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().message(), "no available IPv4 addresses on this network's address pools: 10.1.0.0/29");
    EXPECT_EQ(full.error().kind(), ErrorKind::Unavailable);
}

TEST(AddressPool, request_names_the_holder_and_refuses_what_is_no_host) {
    auto pool = pool_of("10.1.0.0/24");
    ASSERT_TRUE(pool.request(ip("10.1.0.9"), "web"));
    ASSERT_TRUE(pool.request(ip("10.1.0.9"), "web"));
    auto taken = pool.request(ip("10.1.0.9"), "db");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message(), "Address already in use: 10.1.0.9 belongs to web");
    EXPECT_EQ(pool.request(ip("10.2.0.9"), "db").error().message(),
              "Invalid address 10.2.0.9: It does not belong to any of this network's subnets");
    EXPECT_FALSE(pool.request(ip("10.1.0.0"), "db"));
    EXPECT_FALSE(pool.request(ip("10.1.0.255"), "db"));
    EXPECT_EQ(pool.used(), 1u);
}

TEST(AddressPool, looks_only_within_its_range) {
    auto pool = pool_of("172.17.0.0/16", prefix("172.17.5.0/30"));
    EXPECT_EQ(pool.next("a")->text(), "172.17.5.0");
    EXPECT_EQ(pool.next("b")->text(), "172.17.5.1");
    EXPECT_TRUE(pool.request(ip("172.17.9.9"), "c"));
    EXPECT_FALSE(AddressPool::create({.subnet = prefix("172.17.0.0/16"), .range = prefix("172.18.0.0/24")}));
}

TEST(AddressPool, gives_ipv6_addresses) {
    auto pool = pool_of("fd00:1::/64");
    ASSERT_TRUE(pool.request(ip("fd00:1::1"), "gateway"));
    EXPECT_EQ(pool.next("a")->text(), "fd00:1::2");
    EXPECT_TRUE(pool.request(ip("fd00:1::ffff:ffff:ffff:ffff"), "b"));
}

TEST(AddressPool, whole_range_of_a_16_is_usable) {
    auto pool = pool_of("10.7.0.0/16");
    for (int i = 0; i < 65534; i++) ASSERT_TRUE(pool.next("x"));
    EXPECT_FALSE(pool.next("x"));
}

TEST(Subnets, choose_the_first_that_is_free) {
    EXPECT_EQ(choose_subnet(default_subnet_pools(), {})->text(), "172.17.0.0/16");
    EXPECT_EQ(choose_subnet(default_subnet_pools(), {prefix("172.16.0.0/13")})->text(), "172.24.0.0/16");
    EXPECT_EQ(choose_subnet(default_subnet_pools(), {prefix("172.17.3.4/32"), prefix("172.18.0.0/24")})->text(), "172.19.0.0/16");
    EXPECT_EQ(choose_subnet(default_subnet_pools(), {prefix("172.16.0.0/12")})->text(), "192.168.0.0/20");
    auto none = choose_subnet(default_subnet_pools(), {prefix("172.0.0.0/8"), prefix("192.168.0.0/16")});
    EXPECT_EQ(none.error().message(), "all predefined address pools have been fully subnetted");
}

TEST(IpAddress, reads_and_prints_what_go_does) {
    EXPECT_EQ(ip("::").text(), "::");
    EXPECT_EQ(ip("fe80::0:1").text(), "fe80::1");
    EXPECT_FALSE(os::IpAddress::parse("1.2.3"));
    EXPECT_FALSE(os::IpAddress::parse("1.2.3.4 "));
    EXPECT_FALSE(os::IpPrefix::parse("1.2.3.4/33"));
    EXPECT_EQ(prefix("10.1.2.3/8").last().text(), "10.255.255.255");
    EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("255.1.1.1")));
    EXPECT_TRUE(ip("127.9.9.9").is_loopback());
    EXPECT_EQ(os::mac_text(*os::parse_mac("02:42:ac:11:00:02")), "02:42:ac:11:00:02");
    EXPECT_FALSE(os::parse_mac("02:42:ac:11:00"));
    EXPECT_EQ(os::random_mac()[0] & 3, 2);
}

}  // namespace
}  // namespace proa::network
