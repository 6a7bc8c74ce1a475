#include "engine/build_downloads.h"

#include <gtest/gtest.h>

namespace proa::engine {
namespace {

TEST(DownloadName, IsThatOfThePathElseOfTheAnswer) {
    EXPECT_EQ(download_name("http://h/a/b.txt", ""), "b.txt");
    EXPECT_EQ(download_name("http://h/a/b.txt?x=/y#z/w", "attachment; filename=other"), "b.txt");
    EXPECT_EQ(download_name("http://h/a%20b", ""), "a b");
    EXPECT_EQ(download_name("http://h/x/..%2Fetc", ""), "etc");
    EXPECT_EQ(download_name("http://h/x/..", ""), "");
    EXPECT_EQ(download_name("http://h", ""), "");
    EXPECT_EQ(download_name("http://h/", "attachment; filename=\"../../name.tgz\""), "name.tgz");
    EXPECT_EQ(download_name("http://h/", "attachment; FileName = plain ; size=3"), "plain");
    EXPECT_EQ(download_name("http://h/", "inline"), "");
}

TEST(RemoteSources, AreUrlsAndRepositories) {
    EXPECT_TRUE(is_remote_source("http://h/f"));
    EXPECT_TRUE(is_remote_source("https://h/f"));
    EXPECT_FALSE(is_remote_source("httpd.conf"));
    EXPECT_TRUE(is_git_source("https://h/r.git#main:sub"));
    EXPECT_FALSE(is_git_source("https://h/r.git.tar"));
    EXPECT_TRUE(is_git_source("git@h:r"));
}

TEST(GitSources, HaveAReferenceAndADirectory) {
    auto source = parse_git_source("https://h/r.git#v1:a/b").value();
    EXPECT_EQ(source.url, "https://h/r.git");
    EXPECT_EQ(source.ref, "v1");
    EXPECT_EQ(source.subdirectory, "a/b");
    EXPECT_EQ(parse_git_source("github.com/a/b").value().url, "https://github.com/a/b");
    EXPECT_FALSE(parse_git_source("https://h/r.git#--upload-pack=x"));
    EXPECT_FALSE(parse_git_source("https://h/r.git#a..b"));
}

}  // namespace
}  // namespace proa::engine
