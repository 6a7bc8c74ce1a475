#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/text.h"
#include "os/capability.h"
#include "os/file.h"
#include "seccomp/compile.h"
#include "seccomp/oci_profile.h"

namespace proa::seccomp {
namespace {

constexpr uint64_t kDocker = 0xa80425fb;
constexpr uint64_t kAdmin = kDocker | 1ull << 21;

/// The exit code of `body` in a child under the filter; 128 + signal when it was killed.
int under(const Filter& filter, const std::function<int()>& body) {
    pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        std::string bytes = filter.bpf;
        sock_fprog program{static_cast<unsigned short>(bytes.size() / sizeof(sock_filter)), reinterpret_cast<sock_filter*>(bytes.data())};
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program) < 0) ::_exit(255);
        ::_exit(body());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// errno of a raw call under the filter, 0 when it went through.
int number_of(const Filter& filter, long call, long a = 0, long b = 0, long c = 0) {
    return under(filter, [=] { return ::syscall(call, a, b, c) < 0 ? errno : 0; });
}

Filter filter_for(uint64_t capabilities) {
    auto filter = compile(default_profile(), capabilities);
    EXPECT_TRUE(filter.has_value()) << filter.error().message();
    return *filter;
}

TEST(DefaultProfile, LetsOrdinaryProgramsRun) {
    Filter filter = filter_for(kDocker);
    EXPECT_EQ(number_of(filter, SYS_getpid), 0);
    EXPECT_EQ(under(filter, [] {
                  pid_t pid = ::fork();
                  if (pid == 0) ::_exit(0);
                  int status;
                  return ::waitpid(pid, &status, 0) == pid ? 0 : 1;
              }), 0);
    EXPECT_EQ(under(filter, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 && ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 0 : 1; }), 0);
    EXPECT_LT(filter.bpf.size() / sizeof(sock_filter), 4096u);
}

TEST(DefaultProfile, RefusesWhatDockerRefuses) {
    Filter filter = filter_for(kDocker);
    EXPECT_EQ(number_of(filter, SYS_mount), EPERM);
    EXPECT_EQ(number_of(filter, SYS_unshare, CLONE_NEWUSER), EPERM);
    EXPECT_EQ(number_of(filter, SYS_setns, -1), EPERM);
    EXPECT_EQ(number_of(filter, SYS_bpf), EPERM);
    EXPECT_EQ(number_of(filter, SYS_keyctl), EPERM);
    EXPECT_EQ(number_of(filter, SYS_add_key), EPERM);
    EXPECT_EQ(number_of(filter, SYS_kexec_load), EPERM);
    EXPECT_EQ(number_of(filter, SYS_open_by_handle_at), EPERM);
    EXPECT_EQ(number_of(filter, SYS_clone, CLONE_NEWUSER | SIGCHLD), EPERM);
    EXPECT_EQ(number_of(filter, 425 /* io_uring_setup */), EPERM);
    EXPECT_EQ(number_of(filter, SYS_clone3), ENOSYS);
    EXPECT_EQ(number_of(filter, SYS_socket, 38 /* AF_ALG */, SOCK_SEQPACKET, 0), EPERM);
    EXPECT_EQ(number_of(filter, SYS_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0), EPERM);
    EXPECT_EQ(number_of(filter, SYS_personality, 0x40000), EPERM);
    EXPECT_EQ(number_of(filter, SYS_personality, 0xffffffff), 0);
}

TEST(DefaultProfile, FollowsCapabilities) {
    Filter filter = filter_for(kAdmin);
    EXPECT_EQ(number_of(filter, SYS_setns, -1), EBADF);
    EXPECT_EQ(number_of(filter, SYS_clone3), EINVAL);
    EXPECT_EQ(number_of(filter_for(kDocker | 1ull << 25), SYS_clock_settime, 99), EINVAL);  // CAP_SYS_TIME
    EXPECT_EQ(number_of(filter_for(kDocker), SYS_clock_settime, 99), EPERM);
    EXPECT_EQ(number_of(filter_for(kDocker & ~(1ull << 18)), SYS_chroot), EPERM);  // CAP_SYS_CHROOT
}

TEST(DefaultProfile, KnowsCallsThatTheLibraryDoesNot) {
    Filter filter = filter_for(kDocker);
    EXPECT_EQ(number_of(filter, 449 /* futex_waitv */), EINVAL);
    EXPECT_EQ(number_of(filter, 462 /* mseal */, 1), EINVAL);
    EXPECT_NE(number_of(filter, 457 /* statmount */), EPERM);
    EXPECT_EQ(number_of(filter, 461 /* lsm_list_modules */), EPERM);
}

TEST(DefaultProfile, AnswersUnknownCallsWithEnosys) {
    Filter filter = filter_for(kDocker);
    EXPECT_EQ(number_of(filter, 600), ENOSYS);
    EXPECT_EQ(number_of(filter, 0x40000000 | 600), ENOSYS);
    EXPECT_EQ(number_of(filter, 0x40000000 | 165 /* x32 mount */), EPERM);
}

TEST(CustomProfile, ReadsDockersForm) {
    auto profile = parse_profile(R"({"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
        "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95},
                    {"name":"dup","action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":77,"op":"SCMP_CMP_EQ"}]},
                    {"names":["getppid"],"action":"SCMP_ACT_KILL_PROCESS","excludes":{"caps":["CAP_CHOWN"]}}]})");
    ASSERT_TRUE(profile.has_value()) << profile.error().message();
    auto filter = compile(*profile, kDocker);
    ASSERT_TRUE(filter.has_value()) << filter.error().message();
    EXPECT_EQ(under(*filter, [] { return ::syscall(SYS_mkdir, "/tmp/x", 0700) < 0 ? errno : 0; }), EOPNOTSUPP);
    EXPECT_EQ(number_of(*filter, SYS_dup, 77), EPERM);
    EXPECT_EQ(number_of(*filter, SYS_dup, 78), EBADF);
    EXPECT_EQ(number_of(*filter, SYS_getppid), 0);
    EXPECT_EQ(number_of(*filter, 600), ENOSYS);  // by the kernel itself
    auto strict = compile(*profile, 0);
    EXPECT_EQ(number_of(*strict, SYS_getppid), 128 + SIGSYS);
}

TEST(CustomProfile, NamesItsFaults) {
    EXPECT_EQ(parse_profile("{").error().message(), "Decoding seccomp profile failed: unexpected end of JSON input");
    EXPECT_NE(parse_profile(R"({"defaultAction":"SCMP_ACT_FOO"})").error().message().find("SCMP_ACT_FOO"), std::string::npos);
    EXPECT_EQ(parse_profile(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]})").error().message(),
              "'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'");
    EXPECT_EQ(parse_profile(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]})").error().message(),
              "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'");
    auto profile = parse_profile(R"({"defaultAction":"SCMP_ACT_ALLOW","flags":["NOPE"]})");
    EXPECT_FALSE(compile(*profile, 0).has_value());
}

TEST(OciProfile, MeansTheSameAsTheProfile) {
    for (uint64_t capabilities : {kDocker, kAdmin}) {
        auto value = oci_profile(default_profile(), capabilities);
        EXPECT_EQ(value["defaultAction"].as_string(), "SCMP_ACT_ERRNO");
        auto text = json::print(value);
        EXPECT_EQ(text.find("includes"), std::string::npos);
        auto again = parse_profile(text);
        ASSERT_TRUE(again) << again.error().message();
        EXPECT_EQ(compile(*again, 0)->bpf, compile(default_profile(), capabilities)->bpf);
    }
}

TEST(Cache, GivesTheSameBytesWithoutCompiling) {
    char name[] = "/tmp/proa-seccomp-XXXXXX";
    std::string directory = ::mkdtemp(name);
    auto first = compile_cached(default_profile(), kDocker, directory);
    ASSERT_TRUE(first.has_value()) << first.error().message();
    std::string file = directory + "/" + os::list_directory(directory)->at(0);
    auto written = os::status(file)->st_ino;
    auto second = compile_cached(default_profile(), kDocker, directory);
    EXPECT_EQ(os::status(file)->st_ino, written);
    EXPECT_EQ(first->bpf, second->bpf);
    auto other = compile_cached(default_profile(), kAdmin, directory);
    EXPECT_NE(first->bpf, other->bpf);
    auto files = os::list_directory(directory);
    EXPECT_EQ(files->size(), 2u);
    for (auto& file : *files) EXPECT_TRUE(os::write_file(directory + "/" + file, "damaged", 0600).has_value());
    EXPECT_EQ(compile_cached(default_profile(), kDocker, directory)->bpf, first->bpf);
    EXPECT_TRUE(os::remove_tree(directory).has_value());
}

}  // namespace
}  // namespace proa::seccomp
