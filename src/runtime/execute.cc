#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"
#include "cgroup/group.h"
#include "cgroup/scope.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"
#include "os/pty.h"
#include "os/socket.h"
#include "os/user_namespace.h"
#include "runtime/init.h"
#include "runtime/process_setup.h"
#include "runtime/seccomp_listener.h"

namespace proa::runtime {

namespace {
/// What the helper gathers while it still is on the host's side.
struct ExecContext {
    const ExecPlan& plan;
    const Streams& streams;
    int channel;
    int init_pidfd;
    bool user_namespace = false;
    os::Fd proc, slave;
    Identity identity;
};

bool has_labels(const Process& process) { return !process.apparmor_profile.empty() || !process.selinux_label.empty(); }

bool is_other_namespace(pid_t pid, const char* name) {
    struct stat own, other;
    std::string own_path = concat("/proc/self/ns/", std::string_view(name)), other_path = concat("/proc/", pid, "/ns/", std::string_view(name));
    if (::stat(own_path.c_str(), &own) < 0 || ::stat(other_path.c_str(), &other) < 0) return false;
    return own.st_ino != other.st_ino;
}

Result<void> open_terminal(ExecContext& context, const os::RootDirectory& root) {
    os::Fd found = TRY_WRAP("open a terminal", root.open_path(os::PathInRoot("/dev/pts/ptmx"), true));
    struct stat st;
    if (::fstat(found.get(), &st) < 0) return fail_errno("stat", "/dev/pts/ptmx");
    if (TRY(os::filesystem_magic(found.get())) != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
        return fail(ErrorKind::InvalidArgument, "/dev/pts/ptmx is no terminal multiplexer: a devpts file system must be mounted on /dev/pts");
    os::Pty pty = TRY(os::open_pty(TRY(os::reopen(found.get(), O_RDWR | O_NOCTTY))));
    const Process& process = context.plan.process;
    if (process.console_height || process.console_width) TRY(os::set_window_size(pty.peer.get(), {process.console_height, process.console_width}));
    context.slave = std::move(pty.peer);
    return Channel(context.channel).say(Word::Console, pty.master.get());
}

/// Without a word on the final ones, those of the container: the kernel cuts the wish down to its cpuset.
std::vector<uint32_t> final_processors(const Process& process) {
    if (!process.final_processors.empty() || process.first_processors.empty()) return process.final_processors;
    std::vector<uint32_t> all(static_cast<size_t>(std::max(1l, ::sysconf(_SC_NPROCESSORS_CONF))));
    for (uint32_t i = 0; i < all.size(); i++) all[i] = i;
    return all;
}

/// In the container: from clone to exec.
[[noreturn]] void run_exec(ExecContext& context) {
    const Process& process = context.plan.process;
    auto prepare = [&]() -> Result<void> {
        TRY(begin_process());
        if (context.user_namespace && (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0)) return fail_errno("become root of the user namespace");
        TRY(set_processors(final_processors(process)));
        TRY(connect_streams(context.streams, context.slave.get()));
        if (process.new_session_keyring) TRY(join_session_keyring(context.plan.container_id));
        TRY(set_resources(process));
        // A procfs of the container's own namespace, which nobody else has seen: one of the host's would be a way out for who looks into us.
        if (has_labels(process) && !context.user_namespace) context.proc = TRY(os::new_filesystem("proc", "proc", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
        TRY(enter_working_directory(process.cwd));
        TRY(take_identity(process, context.identity, context.user_namespace));
        return {};
    };
    Channel channel(context.channel);
    auto done = prepare();
    if (!done) {
        channel.say_failure(done.error());
        ::_exit(1);
    }
    auto become = [&]() -> Result<void> {
        Program program(process, TRY(find_program(process)), missing_environment(process, context.identity));
        TRY(set_exec_labels(process, context.proc.get()));
        TRY(drop_privileges(process, context.streams.die_with_parent, context.channel, context.channel));
        TRY(close_descriptors_on_exec(context.streams.preserved_descriptors));
        TRY(channel.say(Word::Executing));
        return fail(program.execute());
    };
    done = become();
    channel.say_failure(done.error());
    ::_exit(done.error().number() == ENOENT ? 127 : 126);
}

/// What must not be read from inside. No descriptor of the host is kept that a process of the container could reach through ours.
Result<void> look_from_outside(ExecContext& context) {
    const ExecPlan& plan = context.plan;
    {
        os::RootDirectory root = TRY(os::RootDirectory::at(concat("/proc/", plan.init_pid, "/root")));
        context.identity = TRY(resolve_identity(plan.process, root));
        if (plan.process.terminal) TRY(open_terminal(context, root));
    }
    os::Fd proc = TRY(os::open_file("/proc", O_PATH | O_DIRECTORY));
    TRY(set_oom_score(plan.process, proc.get()));
    // The root of a user namespace can neither look into us nor make a procfs beside a masked one.
    if (has_labels(plan.process) && context.user_namespace) context.proc = std::move(proc);
    return {};
}

/// What the process inherits and the root of its namespace has no right to: higher limits, streams of its own.
Result<void> prepare_for_user_namespace(const ExecContext& context) {
    if (::geteuid() != 0 || context.plan.process.exact_limits) return {};
    TRY(raise_limits(context.plan.process));
    auto users = TRY(os::parse_id_map(TRY(os::read_file(concat("/proc/", context.plan.init_pid, "/uid_map")))));
    auto groups = TRY(os::parse_id_map(TRY(os::read_file(concat("/proc/", context.plan.init_pid, "/gid_map")))));
    auto user = os::id_outside(users, context.identity.uid), group = os::id_outside(groups, 0);
    return user && group ? give_streams_away(context.streams, *user, *group) : Result<void>();
}

/// On the host's side: looks, joins, and clones the caller's child.
Result<void> help(ExecContext& context) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_errno("PR_SET_DUMPABLE");
    const ExecPlan& plan = context.plan;
    context.user_namespace = is_other_namespace(plan.init_pid, "user");
    TRY(set_processors(plan.process.first_processors));
    if (!plan.cgroup_path.empty()) TRY(TRY(cgroup::Group::at(plan.cgroup_path)).attach_self_to_v1(plan.cgroup_overrides));
    TRY(look_from_outside(context));
    if (context.user_namespace) TRY(prepare_for_user_namespace(context));
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (context.user_namespace) {
        flags |= CLONE_NEWUSER;
        // Those that stayed the host's need no joining, and the root of a user namespace may not join them.
        static constexpr std::pair<const char*, int> kKinds[] = {{"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
        for (auto& [name, flag] : kKinds)
            if (!is_other_namespace(plan.init_pid, name)) flags &= ~flag;
    }
    if (is_other_namespace(plan.init_pid, "time")) flags |= static_cast<int>(clone_flag(NamespaceType::Time));
    // The number could have been given to another process meanwhile: the descriptor cannot.
    pollfd ended{context.init_pidfd, POLLIN, 0};
    if (::poll(&ended, 1, 0) > 0) return fail(ErrorKind::Conflict, "cannot exec in a stopped container", ESRCH);
    if (::setns(context.init_pidfd, flags) < 0) return fail_errno("join the container's namespaces");
    os::Child child = TRY(os::clone_process({CLONE_PARENT}));
    if (child.pid == 0) run_exec(context);
    return Channel(context.channel).say(Word::Spawned, child.pidfd.get(), child.pid);
}

/// The caller's side, until the program runs.
Result<Init> converse(const ExecPlan& plan, int channel, pid_t helper) {
    Init init;
    bool executing = false, reaped = false;
    auto collect = [&]() -> Result<void> {
        for (;;) {
            auto incoming = TRY(Channel(channel).hear());
            if (!incoming) {
                if (executing && init.pid > 0) return {};
                return fail(ErrorKind::Internal, "the process ended before it could execute its program (out of memory?)");
            }
            switch (incoming->message.word) {
                case Word::Failure: return fail(error_of(incoming->message));
                case Word::Spawned:
                    init.pid = incoming->message.number;
                    init.pidfd = std::move(incoming->fd);
                    (void)os::wait_for_exit(helper);
                    reaped = true;
                    break;
                case Word::Console: init.console = std::move(incoming->fd); break;
                case Word::Executing: executing = true; break;
                case Word::SeccompListener:
                    if (!plan.process.seccomp_listener) return fail(ErrorKind::Internal, "the process said what it may not say");
                    TRY(deliver_listener(*plan.process.seccomp_listener, incoming->fd.get(), "running", plan.init_pid, init.pid, channel));
                    break;
                default: return fail(ErrorKind::Internal, "the process said what it may not say");
            }
        }
    };
    auto done = collect();
    if (done) return init;
    // A failure can overtake the news of the birth: read on until everybody has let go of the channel.
    while (auto incoming = Channel(channel).hear()) {
        if (!*incoming) break;
        if ((*incoming)->message.word != Word::Spawned) continue;
        init.pid = (*incoming)->message.number;
        init.pidfd = std::move((*incoming)->fd);
    }
    if (!reaped) (void)os::wait_for_exit(helper);
    if (init.pid > 0) {
        (void)os::send_signal(init.pidfd.get(), SIGKILL);
        (void)os::wait_for_exit(init.pid);
    }
    return fail(std::move(done).error());
}
}  // namespace

namespace {
/// Where the init is, when that is a sub-group of the container's: on version 2 a group that hands controllers down takes no process, so docker-in-docker
/// and systemd move theirs. man: cgroups(7), no internal processes
std::string sub_group_of_init(const ExecPlan& plan) {
    auto layout = cgroup::layout();
    const cgroup::Hierarchy* unified = layout ? (*layout)->unified() : nullptr;
    auto text = os::read_file(concat("/proc/", plan.init_pid, "/cgroup"));
    std::string group = unified && text ? cgroup::path_in_hierarchy(*text, *unified) : "";
    return group.starts_with(plan.cgroup_path + "/") ? group : "";
}
}  // namespace

Result<Init> execute(const ExecPlan& plan, const Streams& streams) {
    if (plan.version != kPlanVersion) return fail(ErrorKind::InvalidArgument, concat("plan of version ", plan.version, ", this is version ", kPlanVersion));
    auto init_pidfd = os::open_pidfd(plan.init_pid);
    if (!init_pidfd) {
        if (init_pidfd.error().number() == ESRCH) return fail(ErrorKind::Conflict, "cannot exec in a stopped container", ESRCH);
        return fail(std::move(init_pidfd).error());
    }
    os::Fd unified;
    std::string group = plan.init_cgroup_path.empty() ? plan.cgroup_path : plan.init_cgroup_path;
    if (!group.empty()) unified = TRY(TRY(cgroup::Group::at(group)).open_unified());
    auto pair = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    // Born in the cgroup2 group, so that what it clones is there without a descriptor of the group.
    auto born = os::clone_process({0, unified.get()});
    if (!born && born.error().number() == EBUSY && plan.init_cgroup_path.empty()) {
        if (auto below = sub_group_of_init(plan); !below.empty()) {
            unified = TRY(TRY(cgroup::Group::at(below)).open_unified());
            born = os::clone_process({0, unified.get()});
        }
    }
    // A plain user who comes from another owner's group, such as a login session's, may not: the user's systemd may.
    const bool moved_by_systemd = !born && born.error().number() == EACCES && cgroup::is_of_user_manager(group);
    if (moved_by_systemd) born = os::clone_process({});
    os::Child helper = TRY(std::move(born));
    if (helper.pid == 0) {
        unified.reset();
        pair.first.reset();
        ExecContext context{plan, streams, pair.second.get(), init_pidfd->get()};
        auto go = moved_by_systemd ? Channel(context.channel).wait_for_go() : Result<void>();
        auto done = go ? help(context) : std::move(go);
        if (!done) Channel(context.channel).say_failure(done.error());
        ::_exit(done ? 0 : 1);
    }
    pair.second.reset();
    if (moved_by_systemd) {
        std::string below = plan.init_cgroup_path.empty() ? sub_group_of_init(plan) : "";
        auto moved = cgroup::attach_by_systemd(below.empty() ? group : below, helper.pid);
        if (!moved) {
            pair.first.reset();  // the helper ends when nobody says go
            (void)os::wait_for_exit(helper.pid);
            return fail(std::move(moved).error());
        }
        TRY(Channel(pair.first.get()).say(Word::Go));
    }
    return converse(plan, pair.first.get(), helper.pid);
}

}  // namespace proa::runtime
