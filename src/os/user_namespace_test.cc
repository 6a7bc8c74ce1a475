#include "os/user_namespace.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

namespace proa::os {
namespace {

TEST(IdMap, ParsesAndMaps) {
    auto map = parse_id_map("         0     100000      65536\n     65536     500000          1\n");
    ASSERT_TRUE(map);
    EXPECT_EQ(*map, (std::vector<IdRange>{{0, 100000, 65536}, {65536, 500000, 1}}));
    EXPECT_EQ(id_map_text(*map), "0 100000 65536\n65536 500000 1\n");
    EXPECT_EQ(id_outside(*map, 0), 100000u);
    EXPECT_EQ(id_outside(*map, 65535), 165535u);
    EXPECT_EQ(id_outside(*map, 65536), 500000u);
    EXPECT_EQ(id_outside(*map, 65537), std::nullopt);
    for (std::string_view bad : {"0 1\n", "0 1 2 3\n", "a 1 2\n", "0 1 4294967296\n"}) EXPECT_FALSE(parse_id_map(bad)) << bad;
}

TEST(OwnedNamespaces, BelongTogetherAndHoldNobody) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto made = make_owned_namespaces({{{0, 231072, 1000}}, {{0, 331072, 1000}}}, true);
    ASSERT_TRUE(made) << made.error().message();
    Fd owner(::ioctl(made->network.get(), NS_GET_USERNS));
    ASSERT_TRUE(owner);
    struct stat one, other;
    ASSERT_EQ(::fstat(owner.get(), &one), 0);
    ASSERT_EQ(::fstat(made->user.get(), &other), 0);
    EXPECT_EQ(one.st_ino, other.st_ino);
    auto without = make_owned_namespaces({{{0, 231072, 1000}}, {{0, 331072, 1000}}}, false);
    ASSERT_TRUE(without);
    EXPECT_FALSE(without->network);
}

TEST(OwnedNamespaces, BadMapsAreErrors) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_FALSE(make_owned_namespaces({{{0, 1000, 10}, {5, 2000, 10}}, {{0, 1000, 10}}}, false));
}

}  // namespace
}  // namespace proa::os
