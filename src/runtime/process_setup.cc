#include "runtime/process_setup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/text.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/process.h"
#include "runtime/seccomp_listener.h"

namespace proa::runtime {

Result<void> begin_process(bool dumpable) {
    if (!dumpable && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_errno("PR_SET_DUMPABLE");
    os::reset_signals();
    ::umask(0);
    if (::setsid() < 0 && errno != EPERM) return fail_errno("setsid");
    return {};
}

Result<void> connect_streams(const Streams& streams, int terminal) {
    int wanted[3] = {streams.stdin_fd, streams.stdout_fd, streams.stderr_fd};
    os::Fd null_device, copies[3];
    for (int i = 0; i < 3; i++) {
        if (terminal >= 0) wanted[i] = terminal;
        if (wanted[i] < 0) {
            if (!null_device) null_device = TRY(os::open_file("/dev/null", O_RDWR));
            wanted[i] = null_device.get();
        }
        // A source among 0, 1, 2 could be overwritten before its turn comes.
        if (wanted[i] < 3 && wanted[i] != i) {
            copies[i] = TRY(os::duplicate(wanted[i]));
            wanted[i] = copies[i].get();
        }
    }
    for (int i = 0; i < 3; i++) {
        if (wanted[i] == i) TRY(os::set_close_on_exec(i, false));
        else if (::dup2(wanted[i], i) < 0) return fail_errno("dup2");
    }
    if (terminal >= 0 && ::ioctl(0, TIOCSCTTY, 0) < 0) return fail_errno("TIOCSCTTY");
    return {};
}

namespace {
Result<void> write_own_file(int proc, std::string_view name, std::string_view value) {
    std::string path = concat("self/", name);
    os::Fd file(::openat(proc, path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return fail_errno("open", concat("/proc/self/", name));
    if (::write(file.get(), value.data(), value.size()) < 0) return fail_errno("write", concat(quote(value), " to /proc/self/", name));
    return {};
}

Result<void> set_rlimit(const Rlimit& wanted, bool exact) {
    struct rlimit64 limit{wanted.soft, wanted.hard};
    auto resource = static_cast<__rlimit_resource>(wanted.resource);
    if (::prlimit64(0, resource, &limit, nullptr) == 0) return {};
    if (exact || errno != EPERM) return fail_errno("error setting rlimit", concat(wanted.resource, " to ", wanted.soft, ':', wanted.hard));
    // Without CAP_SYS_RESOURCE the hard limit cannot rise: as far as possible.
    struct rlimit64 now{};
    if (::prlimit64(0, resource, nullptr, &now) < 0) return fail_errno("getrlimit");
    limit.rlim_max = std::min<uint64_t>(wanted.hard, now.rlim_max);
    limit.rlim_cur = std::min<uint64_t>(wanted.soft, limit.rlim_max);
    if (::prlimit64(0, resource, &limit, nullptr) < 0) return fail_errno("error setting rlimit", concat(wanted.resource));
    return {};
}

/// Only what a later change from inside a user namespace could not.
Result<void> raise_hard_limit(const Rlimit& wanted) {
    auto resource = static_cast<__rlimit_resource>(wanted.resource);
    struct rlimit64 now{};
    if (::prlimit64(0, resource, nullptr, &now) < 0) return fail_errno("getrlimit");
    if (wanted.hard <= now.rlim_max) return {};
    now.rlim_max = wanted.hard;
    // As far as possible: fs.nr_open bounds even root.
    if (::prlimit64(0, resource, &now, nullptr) < 0 && errno != EPERM) return fail_errno("error setting rlimit", concat(wanted.resource));
    return {};
}

struct SchedulingAttributes {  // struct sched_attr, which glibc 2.36 and linux/sched/types.h cannot both give
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
}  // namespace

namespace {
Result<void> set_memory_policy(const MemoryPolicy& policy) {
    constexpr size_t kBits = 8 * sizeof(unsigned long);
    uint32_t highest = policy.nodes.empty() ? 0 : *std::max_element(policy.nodes.begin(), policy.nodes.end());
    std::vector<unsigned long> mask(highest / kBits + 1);
    for (uint32_t node : policy.nodes) mask[node / kBits] |= 1ul << (node % kBits);
    // The kernel reads one bit less than it is told.
    size_t bits = policy.nodes.empty() ? 0 : mask.size() * kBits + 1;
    if (::syscall(SYS_set_mempolicy, policy.mode, policy.nodes.empty() ? nullptr : mask.data(), bits) == 0) return {};
    if (errno == ENOSYS) return fail(ErrorKind::Unsupported, "linux.memoryPolicy cannot be set: this kernel has no NUMA support", ENOSYS);
    return fail_errno("set linux.memoryPolicy");
}
}  // namespace

Result<void> raise_limits(const Process& process) {
    for (auto& limit : process.rlimits) TRY(raise_hard_limit(limit));
    return {};
}

Result<void> give_streams_away(const Streams& streams, uint32_t uid, uint32_t gid) {
    for (int fd : {streams.stdin_fd, streams.stdout_fd, streams.stderr_fd}) {
        struct stat st;
        if (fd < 0) continue;
        if (::fstat(fd, &st) < 0) return fail_errno("stat", concat("stream ", fd));
        if (S_ISFIFO(st.st_mode) && ::fchown(fd, uid, gid) < 0) return fail_errno("chown", concat("stream ", fd));
    }
    return {};
}

Result<void> set_processors(const std::vector<uint32_t>& processors) {
    if (processors.empty()) return {};
    uint32_t highest = *std::max_element(processors.begin(), processors.end());
    std::vector<unsigned long> mask(highest / (8 * sizeof(unsigned long)) + 1);
    for (uint32_t number : processors) mask[number / (8 * sizeof(unsigned long))] |= 1ul << (number % (8 * sizeof(unsigned long)));
    if (::syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof(unsigned long), mask.data()) < 0) return fail_errno("set execCPUAffinity");
    return {};
}

Result<void> set_oom_score(const Process& process, int proc) {
    if (!process.oom_score_adj) return {};
    auto done = write_own_file(proc, "oom_score_adj", concat(*process.oom_score_adj));
    if (!done && process.exact_limits) return fail(std::move(done).error().wrap("error setting oomScoreAdj"));
    if (!done && done.error().number() != EACCES && done.error().number() != EPERM) return done;
    return {};
}

Result<void> set_resources(const Process& process) {
    for (auto& limit : process.rlimits) TRY(set_rlimit(limit, process.exact_limits));
    if (auto& wanted = process.scheduler) {
        SchedulingAttributes attributes{sizeof attributes, static_cast<uint32_t>(wanted->policy), wanted->flags, wanted->nice,
                                        static_cast<uint32_t>(wanted->priority), wanted->runtime, wanted->deadline, wanted->period};
        if (::syscall(SYS_sched_setattr, 0, &attributes, 0) < 0) return fail_errno("error setting scheduler");
    }
    if (process.io_priority && ::syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, *process.io_priority) < 0)
        return fail_errno("failed to set io priority");
    if (process.memory_policy) TRY(set_memory_policy(*process.memory_policy));
    if (process.personality && ::personality(*process.personality) < 0) return fail_errno("personality");
    return {};
}

Result<void> join_session_keyring(const std::string& container_id) {
    std::string name = "_ses." + container_id;
    long keyring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
    if (keyring < 0) {
        if (errno == ENOSYS) return {};  // a kernel without keys has nothing to keep apart
        return fail_errno("unable to join session keyring: unable to create session key");
    }
    // Searchable for its owner, as other runtimes leave it: programs look up their own keys.
    constexpr unsigned kUserSearch = 0x00080000;
    char description[512];
    long length = ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, keyring, description, sizeof description);
    if (length <= 0 || static_cast<size_t>(length) > sizeof description) return {};
    auto fields = split(std::string_view(description, static_cast<size_t>(length) - 1), ';');
    auto permissions = fields.size() > 3 ? parse_uint(fields[3], 16) : std::nullopt;
    if (permissions) ::syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, static_cast<unsigned>(*permissions) | kUserSearch);
    return {};
}

Result<void> set_exec_labels(const Process& process, int proc) {
    if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined") {
        std::string value = "exec " + process.apparmor_profile;
        auto done = write_own_file(proc, "attr/apparmor/exec", value);
        if (!done && done.error().number() == ENOENT) done = write_own_file(proc, "attr/exec", value);
        if (!done) return fail(std::move(done).error().wrap("apply apparmor profile"));
    }
    if (!process.selinux_label.empty()) TRY_WRAP("set process label", write_own_file(proc, "attr/exec", process.selinux_label));
    return {};
}

Result<void> enter_working_directory(const std::string& cwd) {
    if (cwd.empty() || cwd[0] != '/') return fail(ErrorKind::InvalidArgument, concat("Cwd must be an absolute path: ", quote(cwd)));
    if (::chdir(cwd.c_str()) < 0) {
        int number = errno;
        return fail(ErrorKind::InvalidArgument, concat("chdir to cwd (", quote(cwd), ") set in config.json failed: ", to_lower(strerrordesc_np(number))), number);
    }
    // The kernel says "(unreachable)/..." for a directory that an inherited descriptor led to outside the root (CVE-2024-21626).
    char path[PATH_MAX + 32];
    long length = ::syscall(SYS_getcwd, path, sizeof path);
    if (length < 0) return fail_errno("getcwd", cwd);
    if (path[0] != '/') return fail(ErrorKind::Forbidden, "current working directory is outside of container mount namespace root -- possible container breakout detected");
    return {};
}

namespace {
/// Lets the user write its own streams again through /dev/stdout: pipes made by root would refuse.
Result<void> give_streams(uint32_t uid) {
    struct stat null_status;
    bool known = ::stat("/dev/null", &null_status) == 0;
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (::fstat(fd, &st) < 0) return fail_errno("stat", concat("stream ", fd));
        if (S_ISCHR(st.st_mode) && (st.st_rdev == makedev(1, 3) || (known && st.st_rdev == null_status.st_rdev))) continue;
        if (st.st_uid == uid || ::fchown(fd, uid, st.st_gid) == 0) continue;
        // Read-only file systems, user namespaces without that id and sockets: the stream itself still works.
        if (errno != EINVAL && errno != EPERM && errno != EROFS && errno != ENOSYS) return fail_errno("chown", concat("stream ", fd));
    }
    return {};
}
}  // namespace

Result<void> take_identity(const Process& process, const Identity& identity, bool user_namespace) {
    TRY(give_streams(identity.uid));
    TRY(os::limit_bounding_set(process.capabilities.bounding));
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return fail_errno("PR_SET_KEEPCAPS");
    // A user namespace may forbid setgroups(2); then there is nothing to change unless groups were asked for.
    if (::setgroups(identity.groups.size(), identity.groups.data()) < 0) {
        int number = errno;
        if (number != EPERM || !identity.groups.empty() || !(user_namespace || os::in_user_namespace())) return fail(errno_error("setgroups", "", number));
    }
    if (::setresgid(identity.gid, identity.gid, identity.gid) < 0) return fail_errno("setgid", concat(identity.gid));
    if (::setresuid(identity.uid, identity.uid, identity.uid) < 0) return fail_errno("setuid", concat(identity.uid));
    if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) return fail_errno("PR_SET_KEEPCAPS");
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    if (::getresuid(&real, &effective, &saved) < 0 || ::getresgid(&real_group, &effective_group, &saved_group) < 0) return fail_errno("getresuid");
    if (real != identity.uid || effective != identity.uid || saved != identity.uid || real_group != identity.gid || effective_group != identity.gid ||
        saved_group != identity.gid)
        return fail(ErrorKind::Internal, "the kernel did not take the user and group ids");
    ::umask(process.umask.value_or(0022));
    return {};
}

namespace {
Result<void> load_seccomp(const Process& process, int answer) {
    sock_fprog program{};
    program.len = static_cast<unsigned short>(process.seccomp_bpf.size() / sizeof(sock_filter));
    if (process.seccomp_bpf.size() % sizeof(sock_filter) || process.seccomp_bpf.size() / sizeof(sock_filter) > BPF_MAXINSNS)
        return fail(ErrorKind::InvalidArgument, "the seccomp program is no list of at most 4096 instructions");
    std::string bytes = process.seccomp_bpf;
    program.filter = reinterpret_cast<sock_filter*>(bytes.data());
    if (!process.seccomp_listener) {
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, process.seccomp_flags, &program) < 0) return fail_errno("error loading seccomp filter");
        return {};
    }
    auto courier = TRY_WRAP("seccomp listener", ListenerCourier::start(answer));
    // This process has one thread but the courier, which must stay outside: there is nobody to synchronize.
    uint32_t flags = (process.seccomp_flags & ~static_cast<uint32_t>(SECCOMP_FILTER_FLAG_TSYNC)) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long descriptor = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (descriptor < 0) return fail_errno("error loading seccomp filter");
    courier.carry(static_cast<int>(descriptor));
    return {};
}
}  // namespace

Result<void> drop_privileges(const Process& process, bool die_with_parent, int starter, int answer) {
    auto now = TRY(os::read_capabilities());
    const CapabilitySets& wanted = process.capabilities;
    // The change of user cleared the effective set; loading a filter and the inheritable set need it once more.
    if (now.effective != now.permitted) TRY(os::set_capabilities(now.permitted, now.permitted, now.inheritable));
    if (die_with_parent) {  // after the change of user, which clears it
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return fail_errno("PR_SET_PDEATHSIG");
        pollfd gone{starter, 0, 0};
        if (::poll(&gone, 1, 0) > 0 && gone.revents & (POLLHUP | POLLERR)) return fail(ErrorKind::Cancelled, "the starter of this process ended");
    }
    if (process.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail_errno("PR_SET_NO_NEW_PRIVS");
    if (!process.seccomp_bpf.empty()) TRY(load_seccomp(process, answer));
    // From here on only what every profile must allow: capset, prctl, capget, close_range, write, execve.
    uint64_t known = now.permitted | wanted.bounding;
    TRY(os::set_capabilities(wanted.effective & known, wanted.permitted & known, wanted.inheritable & known));
    // The kernel grants as ambient only what is permitted and inheritable; the rest of a set is left out, as the specification allows.
    TRY(os::set_ambient_set(wanted.ambient & wanted.inheritable & wanted.permitted & known));
    auto after = TRY(os::read_capabilities());
    if (after.effective != (wanted.effective & known) || after.permitted != (wanted.permitted & known) || after.inheritable != (wanted.inheritable & known))
        return fail(ErrorKind::Internal, "the kernel did not take the capability sets");
    return {};
}

Result<void> close_descriptors_on_exec(int preserved) {
    unsigned first = 3u + static_cast<unsigned>(std::max(preserved, 0));
    for (int fd = 3; fd < static_cast<int>(first); fd++) (void)os::set_close_on_exec(fd, false);
    if (::syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return {};
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return fail_errno("close_range");
    // Linux before 5.11, or a profile that refuses it: one by one.
    struct rlimit limit;
    int end = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20)) : 1 << 20;
    for (int fd = static_cast<int>(first); fd < end; fd++) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return {};
}

std::vector<std::string> missing_environment(const Process& process, const Identity& identity) {
    bool has_home = std::any_of(process.env.begin(), process.env.end(), [](auto& entry) { return entry.starts_with("HOME="); });
    if (has_home) return {};
    return {"HOME=" + identity.home};
}

}  // namespace proa::runtime
