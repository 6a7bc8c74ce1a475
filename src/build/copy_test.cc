#include "build/copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/text.h"
#include "os/file.h"

namespace proa::build {
namespace {

/// A source and a target tree, gone at the end.
class CopyTest : public testing::Test {
protected:
    void SetUp() override {
        base_ = "/tmp/proa-copy-" + random_hex(6);
        for (auto name : {"", "/from", "/to", "/from/d", "/from/d/sub", "/to/etc"}) ASSERT_TRUE(os::make_directory(base_ + name, 0755));
        write("from/a", "A");
        write("from/b.txt", "B");
        write("from/d/x", "X");
        write("from/d/sub/y.txt", "Y");
        write("to/etc/passwd", "root:x:0:0::/:/bin/sh\nme:x:7:8::/:/bin/sh\n");
        write("to/etc/group", "them:x:9:\n");
        source_ = *os::RootDirectory::at(base_ + "/from");
        target_ = *os::RootDirectory::at(base_ + "/to");
    }
    void TearDown() override { (void)os::remove_tree(base_); }

    void write(const std::string& name, const std::string& text) { ASSERT_TRUE(os::write_file(concat(base_, '/', name), text)); }
    std::string read(const std::string& name) { return os::read_file(concat(base_, "/to/", name)).value_or("missing"); }
    Result<void> copy(const std::string& pattern, const std::string& destination, std::vector<std::string> excludes = {}, bool parents = false) {
        CopyWork work;
        work.excludes = *dockerfile::IgnorePatterns::of(excludes);
        work.parts.push_back({&source_, TRY(find_sources(source_, pattern, parents)), false, ""});
        work.destination = destination;
        return copy_files(work, target_);
    }
    std::string hash(const std::string& name, std::vector<std::string> excludes = {}) {
        auto items = find_sources(source_, name, false);
        auto patterns = *dockerfile::IgnorePatterns::of(excludes);
        return hash_source(source_, items->at(0), {.excludes = &patterns})->text();
    }

    std::string base_;
    os::RootDirectory source_, target_;
};

TEST_F(CopyTest, FilesGoToNamesAndIntoDirectories) {
    ASSERT_TRUE(copy("a", "/one"));
    ASSERT_TRUE(copy("a", "/new/dir/"));
    ASSERT_TRUE(copy("*.txt", "/etc"));
    EXPECT_EQ(read("one") + read("new/dir/a") + read("etc/b.txt"), "AAB");
}

TEST_F(CopyTest, DirectoriesGiveTheirContent) {
    ASSERT_TRUE(copy("d", "/e"));
    EXPECT_EQ(read("e/x") + read("e/sub/y.txt"), "XY");
    ASSERT_TRUE(copy(".", "/all", {"d/sub", "*.txt"}));
    EXPECT_EQ(read("all/a") + read("all/d/x"), "AX");
    EXPECT_EQ(read("all/b.txt") + read("all/d/sub/y.txt"), "missingmissing");
}

TEST_F(CopyTest, ParentsAreKeptBehindThePivot) {
    ASSERT_TRUE(copy("d/sub/*.txt", "/p", {}, true));
    EXPECT_EQ(read("p/d/sub/y.txt"), "Y");
    ASSERT_TRUE(copy("./d/./sub/y.txt", "/q", {}, true));
    EXPECT_EQ(read("q/sub/y.txt"), "Y");
    ASSERT_TRUE(copy("**/*.txt", "/r", {}, true));
    EXPECT_EQ(read("r/b.txt") + read("r/d/sub/y.txt"), "BY");
}

TEST_F(CopyTest, LinksOfTheTargetStayInside) {
    ASSERT_EQ(::symlink("/etc", (base_ + "/to/link").c_str()), 0);
    ASSERT_EQ(::symlink("../../../../etc", (base_ + "/to/far").c_str()), 0);
    ASSERT_TRUE(copy("a", "/link/"));
    ASSERT_TRUE(copy("b.txt", "/far/"));
    EXPECT_EQ(read("etc/a") + read("etc/b.txt"), "AB");
    EXPECT_FALSE(os::exists("/etc/b.txt"));
    ASSERT_EQ(::symlink("/etc/passwd", (base_ + "/from/out").c_str()), 0);
    EXPECT_FALSE(copy("out", "/x"));
}

TEST_F(CopyTest, HashesSeeContentNotTimes) {
    std::string before = hash("d");
    timespec old[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (base_ + "/from/d/x").c_str(), old, 0), 0);
    EXPECT_EQ(hash("d"), before);
    ASSERT_EQ(::chmod((base_ + "/from/d/x").c_str(), 0755), 0);
    EXPECT_NE(hash("d"), before);
    std::string excluded = hash("d", {"sub"});
    write("from/d/sub/y.txt", "other");
    EXPECT_EQ(hash("d", {"sub"}), excluded);
}

TEST_F(CopyTest, OwnersComeFromTheTarget) {
    auto owner = find_owner("me", target_);
    ASSERT_TRUE(owner);
    EXPECT_EQ(owner->uid, 7u);
    EXPECT_EQ(owner->gid, 8u);
    EXPECT_EQ(find_owner("me:them", target_)->gid, 9u);
    EXPECT_EQ(find_owner(":them", target_)->gid, 9u);
    EXPECT_EQ(find_owner("12", target_)->gid, 12u);
    EXPECT_EQ(find_owner("nobody-here", target_).error().message(),
              "unable to convert uid/gid chown string to host mapping: can't find uid for user nobody-here: no such user: nobody-here");
}

TEST_F(CopyTest, MissingSourcesAreNamed) {
    EXPECT_EQ(find_sources(source_, "nosuch", false).error().message(),
              "file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist");
    EXPECT_TRUE(find_sources(source_, "no*such", false)->empty());
    EXPECT_EQ(find_sources(source_, "../../a", false)->at(0).path, "a");
}

}  // namespace
}  // namespace proa::build
