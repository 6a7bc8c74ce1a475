#include "os/mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/text.h"
#include "os/file.h"

namespace proa::os {
namespace {

/// In a mount namespace of its own, so that nothing is left to unmount.
int in_private_mounts(const std::function<bool()>& work) {
    pid_t pid = ::fork();
    if (pid == 0) {
        bool done = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && work();
        ::_exit(done ? 0 : 1);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

TEST(Overlay, TakesAHundredLayersWithLongPathsOnEveryKernel) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/proa-overlay-XXXXXX";
    std::string directory = ::mkdtemp(name);
    OverlayDirectories directories{{}, directory + "/upper", directory + "/work"};
    for (int i = 0; i < 100; i++) {
        directories.lower.push_back(concat(directory, "/", std::string(80, 'x'), i));
        ASSERT_TRUE(make_directories(directories.lower.back(), 0755).has_value());
        ASSERT_TRUE(write_file(concat(directories.lower.back(), "/file", i), "", 0644).has_value());
        ASSERT_TRUE(write_file(concat(directories.lower.back(), "/top"), concat(i), 0644).has_value());
    }
    for (auto part : {"/upper", "/work", "/root"}) ASSERT_TRUE(make_directories(directory + part, 0755).has_value());
    // The overlay's upper side may not lie on another overlay, and /tmp may be one: a tmpfs of our own carries it.
    int status = in_private_mounts([&] {
        if (::mount("tmpfs", directories.upper.c_str(), "tmpfs", 0, nullptr) < 0) return false;
        directories.work = directories.upper + "/work";
        directories.upper += "/upper";
        if (!make_directories(directories.upper, 0755) || !make_directories(directories.work, 0755)) return false;
        auto target = open_file(directory + "/root", O_PATH | O_DIRECTORY);
        auto mounted = mount_overlay(directories, target->get(), false, "/");
        if (!mounted) return ::dprintf(2, "%s\n", mounted.error().message().c_str()) < 0;
        Fd there(::openat(mounted->get(), "file50", O_RDONLY | O_CLOEXEC));  // what is returned is the overlay itself
        return there && read_file(directory + "/root/top", 16).value_or("") == "0" && exists(directory + "/root/file99") &&
               write_file(directory + "/root/new", "", 0644).has_value() && exists(directories.upper + "/new");
    });
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(remove_tree(directory).has_value());
}

TEST(Overlay, IsMountedNowhereOnEveryKernel) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/proa-overlay-XXXXXX";
    std::string directory = ::mkdtemp(name);
    int status = in_private_mounts([&] {
        if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, nullptr) < 0) return false;
        for (bool legacy : {false, true}) {
            std::string base = concat(directory, legacy ? "/old" : "/new");
            OverlayDirectories directories{{base + "/lower"}, base + "/upper", base + "/work"};
            for (auto part : {"/lower", "/upper", "/work", "/merged"})
                if (!make_directories(base + part, 0755)) return false;
            if (!write_file(base + "/lower/below", "x", 0644)) return false;
            auto root = detached_overlay(directories, base + "/merged", legacy);
            if (!root) return ::dprintf(2, "%s\n", root.error().message().c_str()) < 0;
            Fd there(::openat(root->get(), "below", O_RDONLY | O_CLOEXEC)), made(::openat(root->get(), "made", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
            if (!there || !made || !exists(base + "/upper/made") || exists(base + "/merged/below")) return false;
        }
        return true;
    });
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(remove_tree(directory).has_value());
}

}  // namespace
}  // namespace proa::os
