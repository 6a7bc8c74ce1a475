#include "runtime/init.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"
#include "cgroup/group.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/socket.h"
#include "runtime/hooks.h"
#include "runtime/process_setup.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace proa::runtime {

uint64_t clone_flag(NamespaceType type) {
    switch (type) {
        case NamespaceType::Mount: return CLONE_NEWNS;
        case NamespaceType::Network: return CLONE_NEWNET;
        case NamespaceType::Pid: return CLONE_NEWPID;
        case NamespaceType::Ipc: return CLONE_NEWIPC;
        case NamespaceType::Uts: return CLONE_NEWUTS;
        case NamespaceType::User: return CLONE_NEWUSER;
        case NamespaceType::Cgroup: return CLONE_NEWCGROUP;
        case NamespaceType::Time: return CLONE_NEWTIME;
    }
    return 0;
}

uint64_t new_namespace_flags(const Plan& plan) {
    uint64_t flags = 0;
    for (auto& space : plan.namespaces)
        if (!is_joined(space)) flags |= clone_flag(space.type);
    return flags;
}

const Namespace* find_namespace(const Plan& plan, NamespaceType type) {
    for (auto& space : plan.namespaces)
        if (space.type == type) return &space;
    return nullptr;
}

Result<os::Fd> open_namespace(const Namespace& space, const Streams& streams) {
    if (!space.path.empty()) return TRY_WRAP("join namespace", os::open_file(space.path, O_RDONLY | O_NONBLOCK));
    if (static_cast<size_t>(space.descriptor) >= streams.descriptors.size())
        return fail(ErrorKind::InvalidArgument, concat("namespace descriptor ", space.descriptor, " was not handed over"));
    return os::duplicate(streams.descriptors[static_cast<size_t>(space.descriptor)]);
}

namespace {
Result<void> join_namespace(const Namespace& space, const Streams& streams) {
    os::Fd opened = TRY(open_namespace(space, streams));
    // The type makes the kernel refuse a file that is another kind of namespace, or none.
    if (::setns(opened.get(), static_cast<int>(clone_flag(space.type))) < 0) return fail_errno("join namespace", space.path.empty() ? "handed over" : space.path);
    return {};
}

Result<void> bring_loopback_up() {
    os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno == EAFNOSUPPORT ? Result<void>() : fail_errno("socket");
    ifreq request{};
    strcpy(request.ifr_name, "lo");
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) < 0) return fail_errno("read flags of", "lo");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0) return fail_errno("bring up", "lo");
    return {};
}

Result<void> set_names(const Plan& plan) {
    if (!plan.hostname.empty() && ::sethostname(plan.hostname.data(), plan.hostname.size()) < 0) return fail_errno("sethostname", plan.hostname);
    if (!plan.domainname.empty() && ::setdomainname(plan.domainname.data(), plan.domainname.size()) < 0) return fail_errno("setdomainname", plan.domainname);
    return {};
}

class InitProcess {
public:
    explicit InitProcess(const InitContext& context)
        : context_(context), plan_(context.plan), channel_(context.channel),
          user_namespace_(find_namespace(plan_, NamespaceType::User) != nullptr),
          builder_(plan_, context.sources, user_namespace_, find_namespace(plan_, NamespaceType::Cgroup) != nullptr) {}

    /// Everything up to the point of no return; errors are of the container's set-up.
    Result<void> prepare() {
        bool mapped_by_user = user_namespace_ && !is_joined(*find_namespace(plan_, NamespaceType::User)) && ::geteuid() != 0;
        TRY(begin_process(mapped_by_user));
        TRY(enter_namespaces());
        TRY(builder_.mount_root());
        TRY(builder_.mount_all());
        TRY(builder_.make_devices());
        if (plan_.process.terminal) TRY(open_terminal());
        TRY(builder_.write_sysctls());
        TRY(set_names(plan_));
        TRY(builder_.make_working_directory());
        identity_ = TRY(resolve_identity(plan_.process, builder_.root()));
        if (context_.pause_prepared) {
            TRY(channel_.say(Word::Prepared));
            TRY(channel_.wait_for_go());
        }
        TRY_WRAP("error running createContainer hook", run_hooks(plan_.create_container_hooks, plan_.hook_state, "creating", ::getpid()));
        if (needs_proc()) proc_ = TRY(os::duplicate(TRY(builder_.own_proc())));
        TRY(connect_streams(context_.streams, slave_.get()));
        if (plan_.process.new_session_keyring) TRY(join_session_keyring(plan_.container_id));
        TRY(builder_.hide_paths());
        TRY(builder_.enter());
        if (plan_.process.scheduler) TRY(wait_for_limits());  // a real-time policy needs the group's share
        TRY(set_oom_score(plan_.process, proc_.get()));
        TRY(set_resources(plan_.process));
        TRY(enter_working_directory(plan_.process.cwd));
        TRY(take_identity(plan_.process, identity_, user_namespace_));
        return {};
    }

    /// The rest; errors are of the program.
    Result<void> become() {
        Program program(plan_.process, TRY(find_program(plan_.process)), missing_environment(plan_.process, identity_));
        TRY(wait_for_limits());
        int answer = context_.channel;
        if (context_.gate) answer = TRY(pass_gate());
        answer_ = answer;
        if (!plan_.start_container_hooks.empty())
            TRY_WRAP("error running startContainer hook", run_hooks(plan_.start_container_hooks, plan_.hook_state, "created", ::getpid()));
        TRY(set_exec_labels(plan_.process, proc_.get()));
        TRY(drop_privileges(plan_.process, context_.streams.die_with_parent, context_.channel, answer));
        TRY(close_descriptors_on_exec(context_.streams.preserved_descriptors));
        TRY(Channel(answer).say(Word::Executing));
        return fail(program.execute());
    }

    int answer() const { return answer_ >= 0 ? answer_ : context_.channel; }

private:
    const InitContext& context_;
    const Plan& plan_;
    Channel channel_;
    bool user_namespace_;
    RootBuilder builder_;
    os::Fd slave_, proc_, connection_;
    Identity identity_;
    int answer_ = -1;
    bool limited_ = false;

    Result<void> wait_for_limits() {
        if (!std::exchange(limited_, true)) return channel_.wait_for_go();
        return {};
    }

    Result<void> enter_namespaces() {
        if (user_namespace_) {
            if (!is_joined(*find_namespace(plan_, NamespaceType::User))) {
                TRY(channel_.say(Word::MapUsers));
                TRY(channel_.wait_for_go());
            }
            if (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0) return fail_errno("become root of the user namespace");
            if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_errno("PR_SET_DUMPABLE");
        }
        if (!context_.joined) TRY(join_namespaces(plan_, context_.streams));
        if (!plan_.cgroup_path.empty() && !context_.in_cgroup) TRY(TRY(cgroup::Group::at(plan_.cgroup_path)).attach_self_to_v1());
        // Only now: the namespace's root is the group that its maker is in.
        const Namespace* groups = find_namespace(plan_, NamespaceType::Cgroup);
        if (groups && !is_joined(*groups) && ::unshare(CLONE_NEWCGROUP) < 0) return fail_errno("unshare", "cgroup namespace");
        const Namespace* network = find_namespace(plan_, NamespaceType::Network);
        if (network && !is_joined(*network)) TRY(bring_loopback_up());
        return {};
    }

    Result<void> open_terminal() {
        auto console = TRY(builder_.open_console());
        slave_ = std::move(console.slave);
        return channel_.say(Word::Console, console.master.get());
    }

    bool needs_proc() const {
        auto& process = plan_.process;
        return process.oom_score_adj || !process.apparmor_profile.empty() || !process.selinux_label.empty();
    }

    /// Returns the descriptor on which the opener of the gate waits for the outcome.
    Result<int> pass_gate() {
        TRY(channel_.say(Word::Ready));
        if (context_.streams.gate_listener < 0) {
            TRY(channel_.wait_for_go());
            return context_.channel;
        }
        connection_ = TRY(os::accept_connection(context_.streams.gate_listener, false));
        return connection_.get();
    }
};
}  // namespace

Result<void> join_namespaces(const Plan& plan, const Streams& streams) {
    const Namespace* user = nullptr;
    for (auto& space : plan.namespaces) {
        if (!is_joined(space)) continue;
        if (space.type == NamespaceType::User) user = &space;
        else TRY(join_namespace(space, streams));
    }
    return user ? join_namespace(*user, streams) : Result<void>();
}

void run_init(const InitContext& context) {
    InitProcess init(context);
    auto done = init.prepare();
    if (!done) {
        // Docker's clients know the texts of user look-ups without a prefix.
        bool plain = done.error().message().starts_with("unable to find ");
        Channel(init.answer()).say_failure(plain ? std::move(done).error() : std::move(done).error().wrap("error during container init"));
        ::_exit(1);
    }
    done = init.become();
    Channel(init.answer()).say_failure(done.error());
    ::_exit(done.error().number() == ENOENT ? 127 : 126);
}

}  // namespace proa::runtime
