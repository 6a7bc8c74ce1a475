#include "os/path_in_root.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/text.h"
#include "os/file.h"

namespace proa::os {
namespace {

class PathInRootTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-path-XXXXXX";
        base = mkdtemp(name);
        root_path = base + "/root";
        ASSERT_TRUE(make_directory(root_path, 0755));
        ASSERT_TRUE(write_file(base + "/secret", "outside"));
        root = *RootDirectory::at(root_path);
        beneath = *RootDirectory::at(root_path, Scope::Beneath);
    }
    void TearDown() override { ASSERT_TRUE(remove_tree(base)); }
    std::string base, root_path;
    RootDirectory root, beneath;
};

TEST_F(PathInRootTest, SplitsNames) {
    EXPECT_EQ(PathInRoot("/a/b//").name(), "b");
    EXPECT_EQ(PathInRoot("/a/b//").parent().text(), "/a");
    EXPECT_EQ(PathInRoot("b").parent().text(), "");
    EXPECT_EQ(PathInRoot("/").name(), "");
    EXPECT_EQ((PathInRoot("/a/") / "b").text(), "/a/b");
}

TEST_F(PathInRootTest, NothingLeadsOutOfTheRoot) {
    ASSERT_TRUE(root.make_symlink("../secret", PathInRoot("relative")));
    ASSERT_TRUE(root.make_symlink(base + "/secret", PathInRoot("absolute")));
    ASSERT_TRUE(root.make_symlink("/proc/self/root", PathInRoot("magic")));
    for (const char* path : {"../secret", "relative", "absolute", "/../../secret"}) {
        EXPECT_EQ(root.read_file(PathInRoot(path)).error().number(), ENOENT) << path;
    }
    EXPECT_EQ(beneath.read_file(PathInRoot("../secret")).error().kind(), ErrorKind::Forbidden);
    EXPECT_EQ(beneath.read_file(PathInRoot("absolute")).error().kind(), ErrorKind::Forbidden);
    ASSERT_TRUE(root.write_file(PathInRoot("../secret"), "inside"));
    EXPECT_EQ(*read_file(base + "/secret"), "outside");
    EXPECT_EQ(*read_file(root_path + "/secret"), "inside");
}

TEST_F(PathInRootTest, MakesDirectoriesBehindDanglingLinks) {
    ASSERT_TRUE(root.make_symlink("/real/deep", PathInRoot("link")));
    ASSERT_TRUE(root.make_directories(PathInRoot("/link/x/y"), 0755));
    EXPECT_TRUE(is_directory(root_path + "/real/deep/x/y"));
    ASSERT_TRUE(root.make_symlink("loop", PathInRoot("loop")));
    EXPECT_FALSE(root.make_directories(PathInRoot("/loop/x"), 0755));
    ASSERT_TRUE(root.make_directories(PathInRoot("a/../../b"), 0755));
    EXPECT_TRUE(is_directory(root_path + "/b"));
    EXPECT_FALSE(exists(base + "/b"));
    ASSERT_TRUE(root.write_file(PathInRoot("file"), ""));
    EXPECT_EQ(root.make_directories(PathInRoot("file/x"), 0755).error().kind(), ErrorKind::InvalidArgument);
}

TEST_F(PathInRootTest, RefusesFifosAsRegularFiles) {
    ASSERT_TRUE(root.make_node(PathInRoot("fifo"), S_IFIFO | 0600, 0));
    EXPECT_EQ(root.read_file(PathInRoot("fifo")).error().kind(), ErrorKind::InvalidArgument);
    EXPECT_FALSE(root.write_file(PathInRoot("fifo"), "x"));
}

TEST_F(PathInRootTest, RemovesTreesAndEntries) {
    ASSERT_TRUE(root.make_directories(PathInRoot("a/b/c"), 0755));
    ASSERT_TRUE(root.make_symlink("../..", PathInRoot("a/up")));
    EXPECT_FALSE(root.remove(PathInRoot("a")));
    ASSERT_TRUE(root.remove_tree(PathInRoot("a")));
    EXPECT_FALSE(*root.exists(PathInRoot("a")));
    EXPECT_TRUE(root.remove(PathInRoot("a")));
    EXPECT_TRUE(exists(base + "/secret"));
    EXPECT_FALSE(root.remove_tree(PathInRoot("/")));
}

TEST_F(PathInRootTest, LinksFilesInsideOnly) {
    ASSERT_TRUE(root.write_file(PathInRoot("f"), "text"));
    ASSERT_TRUE(root.make_link(PathInRoot("/f"), PathInRoot("g")));
    EXPECT_EQ(*root.read_file(PathInRoot("g")), "text");
    EXPECT_FALSE(beneath.make_link(PathInRoot("../secret"), PathInRoot("h")));
    ASSERT_TRUE(root.make_symlink("/f", PathInRoot("s")));
    EXPECT_EQ(*root.read_link(PathInRoot("s")), "/f");
    EXPECT_TRUE(S_ISLNK(root.link_stat(PathInRoot("s"))->st_mode));
    EXPECT_TRUE(S_ISREG(root.stat(PathInRoot("s"))->st_mode));
    EXPECT_TRUE(root.ensure_file(PathInRoot("new"), 0644));
}

TEST_F(PathInRootTest, HoldsAgainstARacingRename) {
    ASSERT_TRUE(root.make_directories(PathInRoot("a/b"), 0755));
    std::atomic<bool> stop = false;
    std::thread racer([&] {
        std::string from = root_path + "/a", link = root_path + "/l";
        ASSERT_EQ(symlink("..", link.c_str()), 0);
        while (!stop) {
            syscall(316 /* renameat2 */, AT_FDCWD, from.c_str(), AT_FDCWD, link.c_str(), 2 /* RENAME_EXCHANGE */);
        }
    });
    for (int i = 0; i < 3000; i++) {
        auto got = root.read_file(PathInRoot("a/b/../../secret"));
        ASSERT_FALSE(got.has_value());
    }
    stop = true;
    racer.join();
}

}  // namespace
}  // namespace proa::os
