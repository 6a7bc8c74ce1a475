#include "cgroup/scope.h"

#include <gtest/gtest.h>

namespace proa::cgroup {
namespace {

TEST(Scope, IsReadFromThePathOfTheSpecification) {
    auto scope = parse_scope("system.slice:docker:0123");
    ASSERT_TRUE(scope.has_value());
    EXPECT_EQ(scope->slice, "system.slice");
    EXPECT_EQ(scope->name, "docker-0123.scope");
    EXPECT_EQ(path_of_scope(*scope).value(), "/system.slice/docker-0123.scope");
    EXPECT_EQ(path_of_scope(*parse_scope("::box")).value(), "/system.slice/box.scope");
    EXPECT_EQ(path_of_scope(*parse_scope("kubepods-besteffort-pod1.slice:cri-o:x")).value(),
              "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-o-x.scope");
    EXPECT_EQ(path_of_scope(*parse_scope("-.slice:a:b")).value(), "/a-b.scope");
    EXPECT_EQ(parse_scope(":a:b", "user.slice")->slice, "user.slice");
    for (auto bad : {"", "/a/b", "a:b", "a:b:c:d", "a:b:c", "system.slice:a:", "-a.slice:b:c", "a--b.slice:c:d", "a-.slice:b:c", "a/b.slice:c:d", "system.slice::user.slice", "system.slice:a:b/c"})
        EXPECT_FALSE(parse_scope(bad).has_value()) << bad;
}

TEST(Scope, OfAUsersManagerIsToldByItsPath) {
    EXPECT_TRUE(is_of_user_manager("/user.slice/user-1000.slice/user@1000.service/user.slice/proa-x.scope"));
    EXPECT_TRUE(is_of_user_manager("/user.slice/user-1000.slice/user@1000.service/"));
    for (auto other : {"/user.slice/user-1000.slice/user@1000.service", "/user.slice/user-1000.slice/session-1.scope", "/system.slice/user@x/y.scope", "/system.slice/proa-x.scope", ""})
        EXPECT_FALSE(is_of_user_manager(other)) << other;
}

TEST(Scope, GivesSystemdTheLimitsInItsOwnTerms) {
    Limits limits;
    limits.memory_limit = 64 << 20;
    limits.memory_swap = 96 << 20;
    limits.cpu_shares = 1024;
    limits.cpu_quota = 50'000;
    limits.cpu_period = 200'000;
    limits.cpuset_cpus = "0-2,9";
    limits.pids_limit = -1;
    limits.unified = {{"memory.high", "max"}, {"memory.min", "4096"}, {"io.max", "8:0 rbps=1"}};
    auto find = [list = scope_properties(limits)](std::string_view name) -> const os::dbus::Value* {
        for (auto& property : list)
            if (property.name == name) return &property.value;
        return nullptr;
    };
    auto number = [&](std::string_view name) { return find(name) ? std::get<uint64_t>(*find(name)) : 0; };
    EXPECT_EQ(number("MemoryMax"), 64u << 20);
    EXPECT_EQ(number("MemorySwapMax"), 32u << 20);
    EXPECT_EQ(number("CPUWeight"), 100u);
    EXPECT_EQ(number("CPUQuotaPeriodUSec"), 200'000u);
    EXPECT_EQ(number("CPUQuotaPerSecUSec"), 250'000u);
    EXPECT_EQ(number("TasksMax"), UINT64_MAX);
    EXPECT_EQ(number("MemoryHigh"), UINT64_MAX);
    EXPECT_EQ(number("MemoryMin"), 4096u);
    ASSERT_NE(find("AllowedCPUs"), nullptr);
    EXPECT_EQ(std::get<std::vector<uint8_t>>(*find("AllowedCPUs")), (std::vector<uint8_t>{7, 2}));
    EXPECT_EQ(find("AllowedMemoryNodes"), nullptr);
    EXPECT_TRUE(scope_properties(Limits()).empty());
}

}  // namespace
}  // namespace proa::cgroup
