#pragma once
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "network/namespace.h"
#include "network/sandbox.h"
#include "os/links.h"

// A "host" of the tests' own: the whole test program moves into a fresh network namespace before the first test, so that the
// machine's interfaces and rules are never touched.
namespace proa::network::test {

#define ASSERT_GOOD(expression)                                                                   \
    do {                                                                                          \
        auto&& assert_good_result = (expression);                                                 \
        ASSERT_TRUE(assert_good_result.has_value()) << assert_good_result.error().message();      \
    } while (false)

/// The value, or a thrown exception that fails the test with the error's text.
template <class T>
T value(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    return std::move(*result);
}
inline void value(Result<void> result) {
    if (!result) throw std::runtime_error(result.error().message());
}

inline os::IpPrefix prefix(std::string_view text) { return *os::IpPrefix::parse(text); }
inline os::IpAddress ip(std::string_view text) { return *os::IpAddress::parse(text); }

/// Base of tests that need a namespace of their own as the host.
class WorldTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        static const bool entered = ::unshare(CLONE_NEWNET) == 0;
        entered_ = entered;
        if (!entered) return;
        auto host = value(os::NetlinkSocket::open(NETLINK_ROUTE));
        os::NetlinkBatch batch;
        os::set_link(batch, 1, {.up = true});
        value(host.transact(batch));
    }
    void SetUp() override {
        if (!entered_) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
        host_ = value(os::NetlinkSocket::open(NETLINK_ROUTE));
        links_before_ = value(os::list_links(host_)).size();
    }

    /// A machine beside the host on a link of its own: 10.9.0.1 is the host, 10.9.0.2 the outside.
    void add_outside() {
        outside_ = std::move(value(make_namespaces(1, {.ipv6 = true})).front());
        os::NetlinkBatch batch;
        os::add_veth(batch, {.host_name = "uplink", .peer_name = "eth0", .peer_mac = os::random_mac(),
                             .peer_namespace = outside_->descriptor.get()});
        value(host_.transact(batch));
        int inner = value(os::find_link(outside_->netlink, "eth0")).index, outer = value(os::find_link(host_, "uplink")).index;
        os::NetlinkBatch here, there;
        os::add_address(here, outer, prefix("10.9.0.1/24"));
        os::add_address(here, outer, prefix("fd09::1/64"));
        value(host_.transact(here));
        os::set_link(there, inner, {.up = true});
        os::add_address(there, inner, prefix("10.9.0.2/24"));
        os::add_address(there, inner, prefix("fd09::2/64"));
        value(outside_->netlink.transact(there));
    }
    void remove_outside() {
        if (!outside_) return;
        os::NetlinkBatch batch;
        os::remove_link(batch, value(os::find_link(host_, "uplink")).index);
        value(host_.transact(batch));
        outside_.reset();
    }

    /// Namespaces end in the background, one after the other with all others of the machine; their veth ends with them.
    bool wait_for_links(size_t count) {
        for (int i = 0; i < 6000; i++) {
            if (value(os::list_links(host_)).size() == count) return true;
            ::usleep(10000);
        }
        return false;
    }
    static size_t open_descriptors() {
        size_t count = 0;
        for ([[maybe_unused]] auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
        return count;
    }

    os::NetlinkSocket host_;
    std::optional<Namespace> outside_;
    size_t links_before_ = 0;
    static inline bool entered_ = false;
};

}  // namespace proa::network::test
