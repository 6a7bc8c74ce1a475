#include "store/unpack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "codec/digest.h"
#include "os/file.h"
#include "store/layer_diff.h"

namespace proa::store {
namespace {
using codec::TarEntry;
using codec::TarType;

class UnpackTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-unpack-XXXXXX";
        base = mkdtemp(name);
        target = base + "/layer";
        ASSERT_TRUE(os::make_directory(target, 0755));
        ASSERT_TRUE(os::write_file(base + "/secret", "outside"));
    }
    void TearDown() override { ASSERT_TRUE(os::remove_tree(base)); }

    void file(const std::string& name, const std::string& text = "x", mode_t mode = 0644) {
        ASSERT_TRUE(tar.add({.name = name, .mode = mode, .size = text.size()}, text));
    }
    void directory(const std::string& name, mode_t mode = 0755) { ASSERT_TRUE(tar.begin({.type = TarType::Directory, .name = name, .mode = mode, .modified = {1000, 5}})); }
    void link(TarType type, const std::string& name, const std::string& to) { ASSERT_TRUE(tar.begin({.type = type, .name = name, .link_name = to, .mode = 0777})); }
    Result<Unpacked> unpack() {
        TRY(tar.finish());
        codec::MemorySource source(bytes.text, 999);
        return unpack_layer(source, TRY(os::RootDirectory::at(target)));
    }
    struct stat at(const std::string& name) { return os::link_status(target + "/" + name).value_or((struct stat){}); }
    bool is_whiteout(const std::string& name) { return S_ISCHR(at(name).st_mode) && at(name).st_rdev == 0; }
    bool is_opaque(const std::string& name) {
        char value = 0;
        return lgetxattr((target + "/" + name).c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
    }

    std::string base, target;
    codec::StringSink bytes;
    codec::TarWriter tar{bytes};
};

TEST_F(UnpackTest, KeepsAllMetadata) {
    ASSERT_TRUE(tar.begin({.type = TarType::Directory, .name = "./", .mode = 0711, .uid = 5, .modified = {77, 0}}));
    directory("bin", 01777);
    TarEntry entry{.name = "bin/su", .mode = 04755, .uid = 3, .gid = 4, .size = 5, .modified = {1577934245, 123456789}};
    entry.xattrs = {{"security.capability", std::string("\x01\x00\x00\x02\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20)}, {"user.k", "v"}};
    ASSERT_TRUE(tar.add(entry, "hello"));
    link(TarType::HardLink, "bin/su2", "/bin/su");
    link(TarType::Symlink, "bin/s", "../../../secret");
    ASSERT_TRUE(tar.begin({.type = TarType::CharDevice, .name = "null", .mode = 0666, .device_major = 1, .device_minor = 3}));
    ASSERT_TRUE(tar.begin({.type = TarType::Fifo, .name = "pipe", .mode = 0600, .gid = 9}));
    auto done = unpack();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(done->size, 5u);
    EXPECT_EQ(done->entries, 7u);
    EXPECT_EQ(at("").st_mode & 07777, 0711u);
    EXPECT_EQ(at("").st_uid, 5u);
    EXPECT_EQ(at("").st_mtim.tv_sec, 77);
    EXPECT_EQ(at("bin").st_mode & 07777, 01777u);
    EXPECT_EQ(at("bin").st_mtim.tv_sec, 1000);
    auto su = at("bin/su");
    EXPECT_EQ(su.st_mode & 07777, 04755u);
    EXPECT_EQ(su.st_gid, 4u);
    EXPECT_EQ(su.st_nlink, 2u);
    EXPECT_EQ(su.st_mtim.tv_nsec, 123456789);
    char value[32];
    EXPECT_EQ(getxattr((target + "/bin/su2").c_str(), "security.capability", value, sizeof value), 20);
    EXPECT_EQ(*os::read_link(target + "/bin/s"), "../../../secret");
    EXPECT_EQ(at("null").st_rdev, makedev(1, 3));
    EXPECT_EQ(at("pipe").st_gid, 9u);
}

TEST_F(UnpackTest, WhiteoutsHideLowerLayersOnly) {
    file("etc/.wh.gone", "");
    file("etc/kept");        // before its whiteout
    file("etc/.wh.kept", "");
    file("etc/.wh.again", "");
    file("etc/again");       // after its whiteout
    file("d1/inner");        // directory, then whiteout: hides what was below
    file(".wh.d1", "");
    file(".wh.d2", "");
    directory("d2", 0700);
    file(".wh.d3", "");
    file("d3/inner");        // the parent is missing and was hidden
    directory("opaque");
    file("opaque/.wh..wh..opq", "");
    file("opaque/x");
    file(".wh..wh.plnk", "");
    link(TarType::HardLink, "etc/.wh.linked", "etc/kept");
    auto done = unpack();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(is_whiteout("etc/gone"));
    EXPECT_TRUE(is_whiteout("etc/linked"));
    EXPECT_TRUE(S_ISREG(at("etc/kept").st_mode));
    EXPECT_TRUE(S_ISREG(at("etc/again").st_mode));
    EXPECT_TRUE(is_opaque("d1"));
    EXPECT_TRUE(is_opaque("d2"));
    EXPECT_EQ(at("d2").st_mode & 07777, 0700u);
    EXPECT_TRUE(is_opaque("d3"));
    EXPECT_TRUE(S_ISREG(at("d3/inner").st_mode));
    EXPECT_TRUE(is_opaque("opaque"));
    EXPECT_FALSE(is_opaque("etc"));
    EXPECT_EQ(os::list_directory(target)->size(), 5u);
}

TEST_F(UnpackTest, TheLastOfEqualNamesWins) {
    file("a", "1");
    file("a", "2");
    directory("d");
    file("d/x");
    file("d", "file now");
    link(TarType::Symlink, "l", "a");
    file("l/below");  // needs a directory where a link to a file stands
    file("f");
    directory("f");
    directory("g", 0700);
    file("g/kept");
    directory("g", 0750);
    auto done = unpack();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(*os::read_file(target + "/a"), "2");
    EXPECT_EQ(*os::read_file(target + "/d"), "file now");
    EXPECT_TRUE(S_ISDIR(at("l").st_mode));
    EXPECT_TRUE(S_ISDIR(at("f").st_mode));
    EXPECT_EQ(at("g").st_mode & 07777, 0750u);
    EXPECT_TRUE(os::exists(target + "/g/kept"));
}

TEST_F(UnpackTest, LinksInParentsStayInside) {
    link(TarType::Symlink, "up", "../..");
    file("up/etc-file", "inside");
    link(TarType::Symlink, "abs", base);
    file("abs/secret", "inside");
    directory("usr/lib");
    link(TarType::Symlink, "lib", "usr/lib");
    file("lib/libc.so", "elf");
    auto done = unpack();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(*os::read_file(base + "/secret"), "outside");
    EXPECT_EQ(*os::read_file(target + "/etc-file"), "inside");
    EXPECT_EQ(*os::read_file(target + "/usr/lib/libc.so"), "elf");
    EXPECT_EQ(os::list_directory(base)->size(), 2u);
}

TEST_F(UnpackTest, RefusesToLeave) {
    file("a/../../evil");
    EXPECT_EQ(unpack().error().message(), "layer entry \"a/../../evil\": leads out of the layer");
}
TEST_F(UnpackTest, RefusesHardLinksToOutside) {
    link(TarType::HardLink, "h", "../secret");
    EXPECT_EQ(unpack().error().kind(), ErrorKind::InvalidArgument);
    EXPECT_EQ(os::list_directory(target)->size(), 0u);
}
TEST_F(UnpackTest, HardLinksAreNotFollowed) {
    link(TarType::Symlink, "s", base + "/secret");
    link(TarType::HardLink, "h", "s");
    file("h", "overwritten");
    ASSERT_TRUE(unpack());
    EXPECT_EQ(*os::read_file(base + "/secret"), "outside");
    EXPECT_TRUE(S_ISREG(at("h").st_mode));
}
TEST_F(UnpackTest, HardLinksThroughLinksStayInside) {
    link(TarType::Symlink, "out", base);
    link(TarType::HardLink, "h", "out/secret");
    EXPECT_FALSE(unpack());
}
TEST_F(UnpackTest, RefusesWhiteoutsOfDots) {
    file("d/.wh...", "");
    EXPECT_FALSE(unpack());
}
TEST_F(UnpackTest, DropsOverlayAttributes) {
    TarEntry entry{.type = TarType::Directory, .name = "d", .mode = 0755};
    entry.xattrs = {{"trusted.overlay.redirect", "/etc"}, {"trusted.mine", "v"}};
    ASSERT_TRUE(tar.begin(entry));
    ASSERT_TRUE(unpack());
    char value[8];
    EXPECT_LT(lgetxattr((target + "/d").c_str(), "trusted.overlay.redirect", value, sizeof value), 0);
    EXPECT_EQ(lgetxattr((target + "/d").c_str(), "trusted.mine", value, sizeof value), 1);
}
TEST_F(UnpackTest, RefusesCutArchives) {
    file("a", std::string(5000, 'x'));
    ASSERT_TRUE(tar.finish());
    for (size_t size : {600u, 3000u, 5100u}) {
        codec::MemorySource source(std::string_view(bytes.text).substr(0, size));
        EXPECT_FALSE(unpack_layer(source, *os::RootDirectory::at(target))) << size;
    }
}

TEST_F(UnpackTest, SparseFilesKeepTheirHoles) {
    ASSERT_EQ(std::system(concat("cd ", base, " && mkdir s && truncate -s 64M s/big && printf end | dd of=s/big bs=1 seek=40000000 conv=notrunc status=none && tar -cSf s.tar -C s big").c_str()), 0);
    std::string text = *os::read_file(base + "/s.tar");
    codec::MemorySource source(text);
    auto done = unpack_layer(source, *os::RootDirectory::at(target));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(at("big").st_size, 64 << 20);
    EXPECT_LT(at("big").st_blocks, 1000);
    EXPECT_EQ(std::system(concat("cmp ", base, "/s/big ", target, "/big").c_str()), 0);
}

TEST_F(UnpackTest, WhatIsWrittenComesBackTheSame) {
    directory("d", 0750);
    file("d/f", "text", 04755);
    link(TarType::HardLink, "d/g", "d/f");
    link(TarType::Symlink, "s", "nowhere");
    file("d/.wh.gone", "");
    directory("o");
    file("o/.wh..wh..opq", "");
    file(std::string(150, 'n'), "long");
    ASSERT_TRUE(tar.begin({.type = TarType::CharDevice, .name = "tty", .mode = 0620, .gid = 5, .device_major = 5, .device_minor = 0}));
    ASSERT_TRUE(unpack());
    codec::StringSink first, second;
    auto size = write_layer(target, first);
    ASSERT_TRUE(size) << size.error().message();
    EXPECT_EQ(*size, 8u);
    std::string other = base + "/other";
    ASSERT_TRUE(os::make_directory(other, 0755));
    codec::MemorySource source(first.text);
    ASSERT_TRUE(unpack_layer(source, *os::RootDirectory::at(other)));
    ASSERT_TRUE(write_layer(other, second));
    EXPECT_TRUE(first.text == second.text);
}

TEST_F(UnpackTest, ChangesAreDockersDiff) {
    std::string upper = base + "/upper";
    directory("etc");
    file("etc/passwd");
    file("etc/old");
    directory("gone");
    ASSERT_TRUE(unpack());
    ASSERT_TRUE(os::make_directories(upper + "/etc", 0755));
    ASSERT_TRUE(os::write_file(upper + "/etc/passwd", "new"));
    ASSERT_TRUE(os::write_file(upper + "/etc/added", "new"));
    ASSERT_EQ(mknod((upper + "/etc/old").c_str(), S_IFCHR, 0), 0);
    ASSERT_EQ(mknod((upper + "/gone").c_str(), S_IFCHR, 0), 0);
    ASSERT_TRUE(os::make_directories(upper + "/new/deep", 0755));
    auto changes = layer_changes(upper, {target});
    ASSERT_TRUE(changes) << changes.error().message();
    std::string text;
    for (auto& change : *changes) text += concat(change.kind == ChangeKind::Modified ? "C " : change.kind == ChangeKind::Added ? "A " : "D ", change.path, "\n");
    EXPECT_EQ(text, "C /etc\nA /etc/added\nD /etc/old\nC /etc/passwd\nD /gone\nA /new\nA /new/deep\n");
}

}  // namespace
}  // namespace proa::store
