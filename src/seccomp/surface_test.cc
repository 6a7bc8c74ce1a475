#include <gtest/gtest.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/text.h"
#include "seccomp/compile.h"

// C26: what of the kernel a container with Docker's default capabilities can reach, number by number and for each ABI of the machine. The
// tables name what Docker's default profile refuses (facts of moby/profiles, mid-2026); everything else with a number is let through.
namespace proa::seccomp {
namespace {

/// The filter's answer, as the kernel's interpreter gives it.
uint32_t decide(const std::string& bpf, const seccomp_data& data) {
    auto* code = reinterpret_cast<const sock_filter*>(bpf.data());
    size_t count = bpf.size() / sizeof(sock_filter);
    uint32_t a = 0;
    for (size_t at = 0; at < count; at++) {
        const sock_filter& i = code[at];
        switch (i.code) {
            case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, sizeof a); break;
            case BPF_JMP | BPF_JA: at += i.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: at += a == i.k ? i.jt : i.jf; break;
            case BPF_JMP | BPF_JGT | BPF_K: at += a > i.k ? i.jt : i.jf; break;
            case BPF_JMP | BPF_JGE | BPF_K: at += a >= i.k ? i.jt : i.jf; break;
            case BPF_JMP | BPF_JSET | BPF_K: at += a & i.k ? i.jt : i.jf; break;
            case BPF_ALU | BPF_AND | BPF_K: a &= i.k; break;
            case BPF_RET | BPF_K: return i.k;
            default: ADD_FAILURE() << "instruction " << i.code; return 0;
        }
    }
    ADD_FAILURE() << "no answer";
    return 0;
}

struct Abi {
    const char* name;
    uint32_t audit, library, bias;
    const char* refused;  ///< names known to the kernel that fail
};

constexpr const char* kRefused64 =
    "_sysctl acct add_key afs_syscall bpf clock_settime clone3 create_module delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick "
    "get_kernel_syms get_mempolicy getpmsg "
    "init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount "
    "mount_setattr move_mount "
    "move_pages nfsservctl open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise putpmsg query_module quotactl quotactl_fd reboot "
    "request_key security "
    "set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday swapoff swapon sysfs syslog tuxcall umount2 unshare uselib userfaultfd "
    "ustat vhangup vserver "
    "lsm_get_self_attr lsm_set_self_attr lsm_list_modules open_tree_attr file_getattr file_setattr";
constexpr const char* kRefused32 =
    "_sysctl acct add_key afs_syscall bdflush bpf break clock_settime clock_settime64 clone3 create_module delete_module fanotify_init finit_module fsconfig "
    "fsmount fsopen fspick ftime "
    "get_kernel_syms get_mempolicy getpmsg gtty idle init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_load keyctl lock "
    "lookup_dcookie mbind migrate_pages "
    "mount mount_setattr move_mount move_pages mpx nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname open_by_handle_at open_tree perf_event_open "
    "pidfd_getfd pivot_root "
    "process_madvise prof profil putpmsg query_module quotactl quotactl_fd readdir reboot request_key set_mempolicy set_mempolicy_home_node setdomainname "
    "sethostname setns settimeofday "
    "sgetmask sigaction signal sigpending sigsuspend ssetmask stime stty swapoff swapon sysfs syslog ulimit umount umount2 unshare uselib userfaultfd ustat "
    "vhangup vm86 vm86old vserver "
    "lsm_get_self_attr lsm_set_self_attr lsm_list_modules open_tree_attr file_getattr file_setattr";

/// What we refuse although Docker lets it through, each with its reason. Nothing today.
const std::set<std::string>& stricter() {
    static const std::set<std::string> kNames;
    return kNames;
}

constexpr const char* kRecentNames[] = {"epoll_pwait2",
                                        "quotactl_fd",
                                        "landlock_create_ruleset",
                                        "landlock_add_rule",
                                        "landlock_restrict_self",
                                        "memfd_secret",
                                        "process_mrelease",
                                        "futex_waitv",
                                        "set_mempolicy_home_node",
                                        "cachestat",
                                        "fchmodat2",
                                        "map_shadow_stack",
                                        "futex_wake",
                                        "futex_wait",
                                        "futex_requeue",
                                        "statmount",
                                        "listmount",
                                        "lsm_get_self_attr",
                                        "lsm_set_self_attr",
                                        "lsm_list_modules",
                                        "mseal",
                                        "setxattrat",
                                        "getxattrat",
                                        "listxattrat",
                                        "removexattrat",
                                        "open_tree_attr",
                                        "file_getattr",
                                        "file_setattr",
                                        "uretprobe"};

std::string name_of(const Abi& abi, int number) {
    char* known = seccomp_syscall_resolve_num_arch(abi.library, number);
    std::string name = known ? known : "";
    ::free(known);
    if (!name.empty()) return name;
    for (auto recent : kRecentNames)
        if (recent_syscall_number(recent) == number) return recent;
    return "";
}

#if defined(__x86_64__)
const Abi kAbis[] = {{"x86-64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0, kRefused64}, {"i386", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0, kRefused32}};
#elif defined(__aarch64__)
const Abi kAbis[] = {{"arm64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0, kRefused64}};
#endif

TEST(Surface, IsDockersOrSmaller) {
    auto filter = compile(default_profile(), 0xa80425fb);
    ASSERT_TRUE(filter.has_value()) << filter.error().message();
    for (auto& abi : kAbis) {
        auto list = split_fields(abi.refused);
        std::set<std::string> refused(list.begin(), list.end());
        std::string wider, narrower;
        for (int number = 0; number < 512; number++) {
            seccomp_data data{};
            data.arch = abi.audit;
            data.nr = number;
            bool passes = decide(filter->bpf, data) == SECCOMP_RET_ALLOW;
            std::string name = name_of(abi, number);
            bool docker = !name.empty() && !refused.contains(name);
            if (passes && !docker) wider += concat(number, ':', name, ' ');
            if (!passes && docker && !stricter().contains(name)) narrower += concat(number, ':', name, ' ');
        }
        EXPECT_EQ(wider, "") << abi.name;
        EXPECT_EQ(narrower, "") << abi.name;
    }
}

#if defined(__x86_64__)
TEST(Surface, OfX32IsNotLargerThanThatOfX86_64) {
    auto filter = compile(default_profile(), 0xa80425fb);
    ASSERT_TRUE(filter.has_value());
    for (int number = 0; number < 512; number++) {
        seccomp_data data{};
        data.arch = AUDIT_ARCH_X86_64;
        data.nr = number;
        bool native = decide(filter->bpf, data) == SECCOMP_RET_ALLOW;
        data.nr = number | 0x40000000;
        EXPECT_TRUE(native || decide(filter->bpf, data) != SECCOMP_RET_ALLOW) << number;
    }
}
#endif

TEST(Surface, HasOnlyHarmlessSocketsNamespacesAndPersonalities) {
    auto filter = compile(default_profile(), 0xa80425fb);
    ASSERT_TRUE(filter.has_value());
    auto passes = [&](const char* name, uint64_t argument) {
        seccomp_data data{};
        data.arch = seccomp_arch_native() == SCMP_ARCH_X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
        data.nr = seccomp_syscall_resolve_name(name);
        data.args[0] = argument;
        return decide(filter->bpf, data) == SECCOMP_RET_ALLOW;
    };
    for (uint64_t family = 0; family < 64; family++) EXPECT_EQ(passes("socket", family), family != 38 && family != 40) << family;  // AF_ALG, AF_VSOCK
    for (int bit = 0; bit < 32; bit++) EXPECT_EQ(passes("clone", 1ull << bit), (0x7e020000u >> bit & 1) == 0) << bit;
    for (uint64_t persona : {0x0, 0x8, 0x20000, 0x20008}) EXPECT_TRUE(passes("personality", persona)) << persona;
    EXPECT_TRUE(passes("personality", 0xffffffff));
    for (int bit = 0; bit < 32; bit++) {
        bool known = bit == 3 || bit == 17;
        EXPECT_EQ(passes("personality", 1ull << bit), known) << bit;
    }
}

}  // namespace
}  // namespace proa::seccomp
