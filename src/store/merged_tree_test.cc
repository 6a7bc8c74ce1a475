#include "store/merged_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "store/storage_driver.h"
#include "store/unpack.h"

namespace proa::store {
namespace {
class MergedTreeTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-merged-XXXXXX";
        base = mkdtemp(name);
        shell("mkdir bottom top tree layer");
    }
    void TearDown() override { ASSERT_TRUE(os::remove_tree(base)); }
    void shell(const std::string& line) { ASSERT_EQ(std::system(concat("cd ", base, " && { ", line, "; }").c_str()), 0) << line; }
    std::string output(const std::string& line) {
        shell(concat("{ ", line, "; } > .output"));
        return *os::read_file(base + "/.output");
    }
    void merge() {
        auto done = merge_layers(lower(), base + "/tree");
        ASSERT_TRUE(done) << done.error().message();
    }
    std::vector<std::string> lower() const { return {base + "/top", base + "/bottom"}; }
    std::vector<Change> changed() {
        auto changes = tree_changes(base + "/tree", lower());
        EXPECT_TRUE(changes) << changes.error().message();
        return changes.value_or(std::vector<Change>());
    }
    std::string changes() {
        std::string text;
        for (auto& change : changed())
            text += concat(change.kind == ChangeKind::Modified ? "C " : change.kind == ChangeKind::Added ? "A " : "D ", change.path, '\n');
        return text;
    }
    std::string base;
};

TEST_F(MergedTreeTest, merges_as_overlayfs_does) {
    shell(
        "cd bottom && mkdir -p kept/old opaque/old gone file-to-dir dir-to-file/x && echo 1 > kept/a && echo 1 > kept/b && echo 1 > opaque/hidden && echo 1 > "
        "gone/x "
        "&& rmdir file-to-dir && echo 1 > file-to-dir && mkfifo fifo && ln -s nowhere link && chmod 0700 kept && ln kept/a kept/hard");
    shell(
        "cd top && mkdir -p kept opaque/new file-to-dir && echo 22 > kept/b && touch kept/.wh.a opaque/.wh..wh..opq .wh.gone && echo f > dir-to-file "
        "&& echo n > file-to-dir/n && chmod 01777 kept && touch -d @1000 kept/b kept");
    merge();
    EXPECT_EQ(output("cd tree && find . | LC_ALL=C sort"),
              ".\n./dir-to-file\n./fifo\n./file-to-dir\n./file-to-dir/n\n./kept\n./kept/b\n./kept/hard\n./kept/old\n./link\n./opaque\n./opaque/new\n");
    EXPECT_EQ(output("cat tree/kept/b tree/dir-to-file; stat -c '%a %Y' tree/kept; stat -c %Y tree/kept/b; readlink tree/link"),
              "22\nf\n1777 1000\n1000\nnowhere\n");
    auto index = LayerIndex::of(lower());
    ASSERT_TRUE(index);
    EXPECT_EQ(index->find("/kept/b")->status.st_size, 3);
    EXPECT_EQ(index->find("/kept/b")->layer, 0u);
    EXPECT_EQ(index->find("/kept/hard")->layer, 1u);
    EXPECT_EQ(index->find("/kept/a"), nullptr);
    EXPECT_EQ(index->find("/opaque/hidden"), nullptr);
    EXPECT_EQ(index->find("/kept/b/x"), nullptr);
    EXPECT_EQ(changes(), "");
}

TEST_F(MergedTreeTest, keeps_what_a_file_has) {
    shell(
        "cd bottom && truncate -s 64M sparse && printf x | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none && echo 1 > a && ln a b && mknod null c 1 "
        "3 && chown 7:8 a");
    ASSERT_EQ(::setxattr((base + "/bottom/a").c_str(), "user.k", "v", 1, 0), 0);
    merge();
    EXPECT_EQ(output("cd tree && test a -ef b && stat -c '%u %g' a && stat -c '%t %T' null && [ $(stat -c %b sparse) -lt 1000 ] && stat -c %s sparse && cmp "
                     "sparse ../bottom/sparse"),
              "7 8\n1 3\n67108864\n");
    char value = 0;
    EXPECT_EQ(::getxattr((base + "/tree/a").c_str(), "user.k", &value, 1), 1);
    EXPECT_EQ(changes(), "");
}

TEST_F(MergedTreeTest, finds_and_copies_changes) {
    shell(
        "cd bottom && mkdir -p etc/deep var/empty && echo 1 > etc/passwd && echo 1 > etc/group && echo 1 > etc/deep/file && echo 1 > same && echo 1 > mode && "
        "echo 1 > attribute && mkdir old && echo 1 > old/x");
    shell("cd top && mkdir etc && echo 2 > etc/group");
    merge();
    shell(
        "cd tree && echo 22 > etc/passwd && rm etc/group && mkdir -p new/dir && echo n > new/dir/file && ln new/dir/file new/linked && chmod 600 mode && rm -r "
        "old && echo f > old && rm etc/deep/file");
    ASSERT_EQ(::setxattr((base + "/tree/attribute").c_str(), "user.k", "v", 1, 0), 0);
    EXPECT_EQ(changes(),
              "C /attribute\nC /etc\nC /etc/deep\nD /etc/deep/file\nD /etc/group\nC /etc/passwd\nC /mode\nA /new\nA /new/dir\nA /new/dir/file\nA "
              "/new/linked\nC /old\n");
    EXPECT_EQ(*changes_size(base + "/tree", changed()), 3u + 2 + 2 + 2 + 2);  // passwd, mode, attribute, old, and one file with two names
    auto copied = copy_changes(base + "/tree", changed(), base + "/layer");
    ASSERT_TRUE(copied) << copied.error().message();
    EXPECT_EQ(output("cd layer && find . | LC_ALL=C sort"),
              ".\n./attribute\n./etc\n./etc/.wh.group\n./etc/deep\n./etc/deep/.wh.file\n./etc/passwd\n./mode\n./new\n./new/dir\n./new/dir/file\n./new/"
              "linked\n./old\n");
    // What the layer makes of the layers below it is the tree again.
    shell("mkdir again");
    ASSERT_TRUE(merge_layers({base + "/layer", base + "/top", base + "/bottom"}, base + "/again"));
    EXPECT_EQ(output("for t in tree again; do (cd $t && find . -mindepth 1 -printf '%p %y %m %U %G %T@ %n\\n' | LC_ALL=C sort | grep -v ' d ' > ../$t.list); "
                     "done; cmp tree.list again.list && diff -r tree again"),
              "");
    // A copy of what is in use is no hard link to it.
    EXPECT_EQ(output("[ layer/etc/passwd -ef tree/etc/passwd ] && echo linked; true"), "");
}

TEST_F(MergedTreeTest, unpacks_layers_in_the_archives_form) {
    shell(
        "mkdir -p in/dir && touch in/.wh.gone in/dir/.wh..wh..opq in/dir/.wh..wh.plnk in/dir/kept && mknod in/zero c 0 0 && tar -C in -cf in.tar . && mkdir "
        "out");
    codec::StringSink text;
    std::string tar = *os::read_file(base + "/in.tar");
    codec::MemorySource source(tar, 1000);
    auto done = unpack_layer(source, *os::RootDirectory::at(base + "/out"), LayerForm::Plain);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(output("cd out && find . -printf '%p %y %s\\n' | LC_ALL=C sort | grep -v ' d '"),
              "./.wh.gone f 0\n./.wh.zero f 0\n./dir/.wh..wh..opq f 0\n./dir/kept f 0\n");
}

// --- which driver ---

TEST_F(MergedTreeTest, chooses_overlay2_where_it_works) {
    EXPECT_EQ(*choose_storage_driver(base + "/data", ""), StorageDriver::Overlay2);
    EXPECT_EQ(output("ls data"), "");
    EXPECT_EQ(choose_storage_driver(base + "/data", "zz").error().message(), "error initializing graphdriver: driver not supported: zz");
}

TEST_F(MergedTreeTest, stays_with_the_driver_of_the_data_root) {
    shell("mkdir -p data/vfs");
    EXPECT_EQ(*choose_storage_driver(base + "/data", ""), StorageDriver::Vfs);
    EXPECT_EQ(*choose_storage_driver(base + "/data", "overlay2"), StorageDriver::Overlay2);
    EXPECT_EQ(output("ls data; ls data/overlay2 | sed 's/-.*//'"), "overlay2\ndiscarded\n");
    shell("mkdir -p data/overlay2/abc/work");
    EXPECT_EQ(choose_storage_driver(base + "/data", "vfs").error().message(),
              concat("error initializing graphdriver: storage driver vfs cannot be used: ", base,
                     "/data/overlay2 holds the file systems of 1 container; start with storage driver overlay2 and remove it, or use another data root"));
    EXPECT_EQ(*choose_storage_driver(base + "/data", ""), StorageDriver::Overlay2);
}

TEST_F(MergedTreeTest, falls_back_to_vfs) {
    shell("mkdir lower upper work merged");
    auto root = os::detached_overlay({{base + "/lower"}, base + "/upper", base + "/work"}, base + "/merged");
    ASSERT_TRUE(root) << root.error().message();
    std::string data = concat("/proc/self/fd/", root->get(), "/data");
    if (probe_overlay(concat("/proc/self/fd/", root->get()))) GTEST_SKIP() << "this kernel carries overlays on overlays";
    auto refused = choose_storage_driver(data, "overlay2");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message().contains("cannot carry overlay2: ") &&
                refused.error().message().ends_with("use storage driver vfs, or a data root on another file system"))
        << refused.error().message();
    EXPECT_EQ(*choose_storage_driver(data, ""), StorageDriver::Vfs);
    EXPECT_TRUE(os::list_directory(data)->empty());
}

}  // namespace
}  // namespace proa::store
