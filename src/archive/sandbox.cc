#include "archive/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "os/capability.h"
#include "os/file.h"
#include "os/mount.h"

namespace proa::archive {

namespace {

constexpr uint64_t bit(int capability) { return uint64_t(1) << capability; }
constexpr uint64_t kCapabilities = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER) | bit(CAP_FSETID) | bit(CAP_MKNOD) | bit(CAP_SETFCAP);

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "which audit architecture is this?"
#endif

/// Reading and writing files by descriptors, memory, time, and the end.
constexpr int kAllowed[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64,
    SYS_openat, SYS_openat2, SYS_readlinkat, SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_ftruncate,
    SYS_fallocate, SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_utimensat, SYS_fsetxattr, SYS_setxattr, SYS_lsetxattr, SYS_getxattr, SYS_lgetxattr,
    SYS_fgetxattr, SYS_listxattr, SYS_flistxattr, SYS_copy_file_range, SYS_fstatfs, SYS_fcntl, SYS_dup, SYS_dup3, SYS_sendmsg, SYS_sendto, SYS_poll, SYS_ppoll,
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_getpid, SYS_gettid,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat, SYS_readlink, SYS_umask,
#endif
};

Result<void> filter_system_calls() {
    std::vector<sock_filter> program;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (int number : kAllowed) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("prctl", "no_new_privs");
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0) return fail_errno("seccomp", "archive filter");
    return {};
}

/// A tmpfs with proc/ and root/ becomes "/"; the host's tree goes.
Result<void> leave_host_tree(const os::RootDirectory& root, RootKind kind, bool for_all) {
    os::Fd tree = TRY(os::new_filesystem("tmpfs", "tmpfs", for_all ? "size=64k,mode=755" : "size=64k,mode=700", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    os::Fd proc = TRY(os::new_filesystem("proc", "proc", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    os::Fd place = TRY(os::open_file("/proc", O_PATH | O_DIRECTORY));  // any directory will do: it is ours alone and goes with the rest
    TRY(os::move_mount(tree.get(), place.get(), "sandbox"));
    mode_t mode = for_all ? 0555 : 0500;
    if (::mkdirat(tree.get(), "proc", mode) < 0 || ::mkdirat(tree.get(), "root", mode) < 0) return fail_errno("mkdir", "sandbox");
    os::Fd proc_place(::openat(tree.get(), "proc", O_PATH | O_DIRECTORY | O_CLOEXEC)), root_place(::openat(tree.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!proc_place || !root_place) return fail_errno("open", "sandbox");
    TRY(os::move_mount(proc.get(), proc_place.get(), "sandbox"));
    if (kind == RootKind::MountedHere) TRY(os::move_mount(root.fd(), root_place.get(), "sandbox"));
    if (::fchdir(tree.get()) < 0) return fail_errno("chdir", "sandbox");
    if (::syscall(SYS_pivot_root, ".", ".") < 0) return fail_errno("pivot_root", "sandbox");
    if (::umount2(".", MNT_DETACH) < 0) return fail_errno("umount", "the host's tree");
    if (::chdir("/") < 0) return fail_errno("chdir", "sandbox");
    return {};
}

}  // namespace

Result<void> enter_sandbox(const os::RootDirectory& root, RootKind kind, int user_namespace) {
    TRY(leave_host_tree(root, kind, user_namespace >= 0));
    if (user_namespace >= 0) {
        if (::setns(user_namespace, CLONE_NEWUSER) < 0) return fail_errno("join", "the container's user namespace");
        if (::setgroups(0, nullptr) < 0 || ::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0) return fail_errno("become root of", "the container's user namespace");
        ::close(user_namespace);
    }
    TRY(os::limit_bounding_set(kCapabilities));
    TRY(os::set_capabilities(kCapabilities, kCapabilities, 0));
    return filter_system_calls();
}

}  // namespace proa::archive
