#include "os/tree_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "os/file.h"

namespace proa::os {
namespace {

class TreeWatchTest : public testing::Test {
protected:
    TreeWatchTest() {
        char path[] = "/tmp/proa-tree-watch-XXXXXX";
        directory_ = ::mkdtemp(path);
    }
    ~TreeWatchTest() override { (void)remove_tree(directory_); }
    std::string at(const std::string& name) const { return directory_ + "/" + name; }
    void write(const std::string& name) { ASSERT_TRUE(write_file(at(name), name)); }
    void make(const std::string& name) { ASSERT_TRUE(make_directories(at(name), 0755)); }
    TreeWatch watch(std::vector<std::string> names) {
        std::vector<std::string> roots;
        for (auto& name : names) roots.push_back(at(name));
        return *TreeWatch::create(roots, [](const std::string& path) { return path.ends_with("/skipped"); });
    }
    /// What changed, relative to the directory.
    std::set<std::string> changes(TreeWatch& tree) {
        std::set<std::string> names;
        auto changed = tree.changes();
        EXPECT_TRUE(changed);
        for (auto& path : *changed) names.insert(path.substr(directory_.size() + 1));
        return names;
    }
    using Names = std::set<std::string>;
    std::string directory_;
};

TEST_F(TreeWatchTest, TellsOfFilesAtAnyDepth) {
    make("src/a/b");
    write("src/a/b/old");
    auto tree = watch({"src"});
    EXPECT_EQ(changes(tree), Names());
    write("src/a/b/new");
    write("src/a/b/old");
    write("other");
    EXPECT_EQ(changes(tree), (Names{"src/a/b/new", "src/a/b/old"}));
    ASSERT_TRUE(remove_file(at("src/a/b/old")));
    ASSERT_EQ(::chmod(at("src/a/b/new").c_str(), 0700), 0);
    EXPECT_EQ(changes(tree), (Names{"src/a/b/new", "src/a/b/old"}));
}

TEST_F(TreeWatchTest, FollowsDirectoriesThatComeMoveAndGo) {
    make("src");
    make("outside/deep");
    write("outside/deep/file");
    auto tree = watch({"src"});
    ASSERT_TRUE(rename_path(at("outside"), at("src/in")));
    EXPECT_EQ(changes(tree), (Names{"src/in", "src/in/deep", "src/in/deep/file"}));
    write("src/in/deep/more");
    EXPECT_EQ(changes(tree), Names{"src/in/deep/more"});
    ASSERT_TRUE(rename_path(at("src/in"), at("src/there")));
    EXPECT_EQ(changes(tree), (Names{"src/in", "src/there", "src/there/deep", "src/there/deep/file", "src/there/deep/more"}));
    write("src/there/deep/last");
    EXPECT_EQ(changes(tree), Names{"src/there/deep/last"});
    ASSERT_TRUE(rename_path(at("src/there"), at("outside")));
    EXPECT_EQ(changes(tree), Names{"src/there"});
    write("outside/deep/unseen");
    EXPECT_EQ(changes(tree), Names());
}

TEST_F(TreeWatchTest, WatchesASingleFileThatIsReplaced) {
    write("file");
    auto tree = watch({"file"});
    write("file.new");
    ASSERT_TRUE(rename_path(at("file.new"), at("file")));
    EXPECT_EQ(changes(tree), Names{"file"});
    write("file");
    EXPECT_EQ(changes(tree), Names{"file"});
}

TEST_F(TreeWatchTest, WaitsForWhatIsNotThereYet) {
    auto tree = watch({"a/b/root"});
    make("a/b/root/x");
    write("a/b/beside");
    changes(tree);
    write("a/b/root/x/file");
    EXPECT_EQ(changes(tree), Names{"a/b/root/x/file"});
    ASSERT_TRUE(remove_tree(at("a")));
    auto gone = changes(tree);
    EXPECT_TRUE(gone.contains("a/b/root/x/file") && !gone.contains("a/b/root"));
    make("a/b/root");
    write("a/b/root/again");
    EXPECT_TRUE(changes(tree).contains("a/b/root/again"));
    ASSERT_TRUE(rename_path(at("a/b/root"), at("away")));
    EXPECT_EQ(changes(tree), Names());
    write("away/unseen");
    EXPECT_EQ(changes(tree), Names());
    ASSERT_TRUE(rename_path(at("away"), at("a/b/root")));
    EXPECT_EQ(changes(tree), (Names{"a/b/root", "a/b/root/again", "a/b/root/unseen"}));
}

TEST_F(TreeWatchTest, SkipsWhatDoesNotMatterAndListsAll) {
    make("src/skipped/deep");
    write("src/skipped/deep/file");
    write("src/file");
    auto tree = watch({"src"});
    write("src/skipped/deep/file");
    EXPECT_EQ(changes(tree), Names());
    EXPECT_EQ(tree.all()->size(), 3u);  // src, src/file, src/skipped
}

}  // namespace
}  // namespace proa::os
