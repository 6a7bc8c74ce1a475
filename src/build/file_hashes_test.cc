#include "build/file_hashes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "os/file.h"

namespace proa::build {
namespace {

struct stat settled() {
    struct stat st = {};
    st.st_dev = 1;
    st.st_ino = 2;
    st.st_size = 3;
    st.st_ctim = {1000, 5};
    st.st_mtim = {900, 6};
    return st;
}

class FileHashesTest : public testing::Test {
protected:
    void TearDown() override { (void)os::remove_file(path_); }
    std::string path_ = "/tmp/proa-file-hashes-" + std::to_string(::getpid());
    FileHashes::Hash hash_{'h', 'a', 's', 'h'};
};

TEST_F(FileHashesTest, OutliveTheBuild) {
    {
        FileHashes hashes(path_);
        EXPECT_FALSE(hashes.find(settled()));
        hashes.remember(settled(), hash_);
        hashes.save();
    }
    FileHashes hashes(path_);
    ASSERT_TRUE(hashes.find(settled()));
    EXPECT_EQ(*hashes.find(settled()), hash_);
}

TEST_F(FileHashesTest, AnyChangeMakesAnotherFile) {
    FileHashes hashes(path_);
    hashes.remember(settled(), hash_);
    for (auto change : {+[](struct stat& st) { st.st_ino++; }, +[](struct stat& st) { st.st_dev++; }, +[](struct stat& st) { st.st_size++; },
                        +[](struct stat& st) { st.st_ctim.tv_nsec++; }, +[](struct stat& st) { st.st_mtim.tv_sec++; }}) {
        auto st = settled();
        change(st);
        EXPECT_FALSE(hashes.find(st));
    }
}

TEST_F(FileHashesTest, FreshFilesAreNotTrusted) {
    FileHashes hashes(path_);
    auto st = settled();
    st.st_ctim.tv_sec = ::time(nullptr);
    hashes.remember(st, hash_);
    EXPECT_FALSE(hashes.find(st));
}

TEST_F(FileHashesTest, DamageIsForgotten) {
    ASSERT_TRUE(os::write_file(path_, "proa-file-hashes-1\nshort"));
    EXPECT_FALSE(FileHashes(path_).find(settled()));
    ASSERT_TRUE(os::write_file(path_, "something else"));
    EXPECT_FALSE(FileHashes(path_).find(settled()));
}

}  // namespace
}  // namespace proa::build
