#include "shim/protocol.h"

#include <gtest/gtest.h>

#include "runtime/plan.h"

namespace proa::shim {
namespace {

TEST(Protocol, MessagesSurviveTheWire) {
    Launch launch;
    launch.container_id = "c1";
    launch.state_directory = "/run/c1";
    launch.terminal = true;
    launch.log.path = "/log";
    launch.log.max_size = 123;
    launch.proxies.push_back({2, "10.0.0.2", 80});
    launch.foreign_runtime_args = {"--debug"};
    auto again = unpack<Launch>(pack(launch));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->proxies[0].target_address, "10.0.0.2");
    EXPECT_EQ(again->log.max_size, 123);
    EXPECT_EQ(pack(*again), pack(launch));

    Exec exec;
    exec.exec_id = "e";
    exec.attach = Attach{};
    exec.attach->detach_keys = "\x10\x11";
    exec.attach->hold_close = true;
    EXPECT_TRUE(unpack<Exec>(pack(exec))->attach->hold_close);
}

TEST(Protocol, CutOrPaddedMessagesAreRefused) {
    runtime::Plan plan;
    plan.process.args = {"a", "b"};
    plan.mounts.resize(3);
    const std::string whole = pack(plan);
    ASSERT_TRUE(unpack<runtime::Plan>(whole));
    for (size_t size = 0; size < whole.size(); size++) EXPECT_FALSE(unpack<runtime::Plan>(whole.substr(0, size)));
    EXPECT_FALSE(unpack<runtime::Plan>(whole + "x"));
}

TEST(Protocol, ABooleanIsZeroOrOne) {
    std::string bytes = pack(Attach{});
    bytes.back() = 1;  // hold_close
    EXPECT_TRUE(unpack<Attach>(bytes));
    bytes.back() = 2;
    EXPECT_FALSE(unpack<Attach>(bytes));
}

TEST(Protocol, AHugeListLengthIsRefusedWithoutAllocating) {
    std::string bytes = pack(runtime::Plan{});
    bytes.replace(4, 4, "\xff\xff\xff\xff");
    EXPECT_FALSE(unpack<runtime::Plan>(bytes));
}

}  // namespace
}  // namespace proa::shim
