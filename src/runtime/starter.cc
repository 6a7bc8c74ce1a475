#include "runtime/starter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cgroup/scope.h"
#include "os/command.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/socket.h"
#include "os/user_namespace.h"
#include "runtime/hooks.h"
#include "runtime/process_setup.h"
#include "runtime/seccomp_listener.h"

namespace proa::runtime {

Starter::~Starter() {
    if (done_) return;
    // Nothing of the container may be left: the init dies by its pidfd, its kind die with the pid namespace or the cgroup.
    parent_end_.reset();
    child_end_.reset();
    end_placeholder();
    if (helper_ > 0) {
        ::kill(helper_, SIGKILL);
        (void)os::wait_for_exit(helper_);
    }
    if (init_.pid > 0) {
        (void)os::send_signal(init_.pidfd.get(), SIGKILL);
        (void)os::wait_for_exit(init_.pid);
    }
    if (group_ && remove_group_) {
        (void)group_->kill_all();
        (void)group_->remove();
    }
}

bool Starter::needs_helper() const {
    if (moved_by_systemd_) return true;
    const Namespace* pid = find_namespace(plan_, NamespaceType::Pid);
    return find_namespace(plan_, NamespaceType::User) || find_namespace(plan_, NamespaceType::Time) || (pid && is_joined(*pid));
}

bool Starter::needs_pause() const {
    return devices_later_ || !plan_.prestart_hooks.empty() || !plan_.create_runtime_hooks.empty();
}

namespace {
std::string map_text(const std::vector<IdMapping>& mappings) {
    std::string text;
    for (auto& mapping : mappings) text += concat(mapping.container_id, ' ', mapping.host_id, ' ', mapping.size, '\n');
    return text;
}

Result<void> write_process_file(pid_t pid, const char* name, const std::string& text) {
    std::string path = concat("/proc/", pid, '/', std::string_view(name));
    os::Fd file = TRY(os::open_file(path, O_WRONLY));
    if (::write(file.get(), text.data(), text.size()) < 0) return fail_errno("write", concat(quote(text), " to ", path));
    return {};
}

/// A user namespace with these maps and nobody in it.
Result<os::Fd> make_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
    os::Child child = TRY(os::clone_process({CLONE_NEWUSER, -1}));
    if (child.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;) ::pause();
    }
    auto opened = [&]() -> Result<os::Fd> {
        TRY(write_id_maps(child.pid, uids, gids));
        return os::open_file(concat("/proc/", child.pid, "/ns/user"), O_RDONLY);
    }();
    (void)os::send_signal(child.pidfd.get(), SIGKILL);
    (void)os::wait_for_exit(child.pid);
    return opened;
}
}  // namespace

namespace {
/// newuidmap(1) and newgidmap(1) know which further ids the user may use.
Result<void> map_by_helper(const char* program, pid_t pid, const std::vector<IdMapping>& mappings) {
    std::vector<std::string> words = {program, concat(pid)};
    for (auto& mapping : mappings)
        for (uint32_t number : {mapping.container_id, mapping.host_id, mapping.size}) words.push_back(concat(number));
    auto done = TRY(os::run_command(words));
    if (done.exit_code == 0) return {};
    return fail(ErrorKind::Forbidden, concat(std::string_view(program), ": ", trim(done.error)));
}

/// A plain user maps itself, once for users and once for groups, and anything else with the help of setuid programs.
Result<void> write_own_id_maps(pid_t pid, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
    auto only = [](const std::vector<IdMapping>& mappings, uint32_t id) { return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == id; };
    if (only(uids, ::geteuid())) TRY(write_process_file(pid, "uid_map", map_text(uids)));
    else TRY(map_by_helper("/usr/bin/newuidmap", pid, uids));
    if (!only(gids, ::getegid())) return map_by_helper("/usr/bin/newgidmap", pid, gids);
    TRY(write_process_file(pid, "setgroups", "deny"));  // man: user_namespaces(7)
    return write_process_file(pid, "gid_map", map_text(gids));
}
}  // namespace

Result<void> write_id_maps(pid_t pid, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
    if (::geteuid() != 0) return write_own_id_maps(pid, uids, gids);
    TRY(write_process_file(pid, "uid_map", map_text(uids)));
    return write_process_file(pid, "gid_map", map_text(gids));
}

Result<void> Starter::open_sources() {
    const Namespace* mounts = find_namespace(plan_, NamespaceType::Mount);
    if (!mounts) return fail(ErrorKind::InvalidArgument, "a container needs a mount namespace of its own");
    if (is_joined(*mounts)) return fail(ErrorKind::Unsupported, "joining another mount namespace is not supported");
    if (plan_.version != kPlanVersion) return fail(ErrorKind::InvalidArgument, concat("plan of version ", plan_.version, ", this is version ", kPlanVersion));
    sources_.trees.resize(plan_.mounts.size());
    sources_.user_namespaces.resize(plan_.mounts.size());
    for (size_t i = 0; i < plan_.mounts.size(); i++) {
        const Mount& mount = plan_.mounts[i];
        if (mount.descriptor >= 0) {
            if (static_cast<size_t>(mount.descriptor) >= streams_.descriptors.size())
                return fail(ErrorKind::InvalidArgument, concat("mount source descriptor ", mount.descriptor, " was not handed over"));
            int fd = streams_.descriptors[static_cast<size_t>(mount.descriptor)];
            auto tree = os::clone_tree(fd, true, mount.destination);
            if (!tree && tree.error().number() == EINVAL) tree = os::duplicate(fd);  // a detached tree already
            sources_.trees[i] = TRY(std::move(tree));
        }
        if (!mount.uid_mappings.empty() || !mount.gid_mappings.empty())
            sources_.user_namespaces[i] = TRY_WRAP(concat("idmapped mount on ", mount.destination), make_user_namespace(mount.uid_mappings, mount.gid_mappings));
    }
    devices_later_ = devices_must_come_first(plan_);
    return plan_.root.mapped_directory.empty() ? Result<void>() : open_mapped_sources();
}

/// The root of a user namespace may neither map the ids of a mount nor search the engine's directories: all that is done beforehand.
Result<void> Starter::open_mapped_sources() {
    const Namespace* user = find_namespace(plan_, NamespaceType::User);
    if (!user || !is_joined(*user)) return fail(ErrorKind::InvalidArgument, "a root with mapped ids needs a user namespace that is there already");
    os::Fd space = TRY(open_namespace(*user, streams_));
    const Root& root = plan_.root;
    sources_.root = TRY_WRAP("mount the root file system", os::mapped_overlay_by_child({root.overlay_lower, root.overlay_upper, root.overlay_work}, root.directory,
                                                                                      root.mapped_directory, space.get()));
    for (size_t i = 0; i < plan_.mounts.size(); i++) {
        const Mount& mount = plan_.mounts[i];
        if (!(mount.flags & MS_BIND)) continue;
        auto opened = [&]() -> Result<void> {
            if (!sources_.trees[i]) sources_.trees[i] = TRY(os::clone_tree(AT_FDCWD, mount.source, (mount.flags & MS_REC) != 0));
            os::Fd maps = std::move(sources_.user_namespaces[i]);
            if (!maps) return {};
            return os::change_mount(sources_.trees[i].get(), {MOUNT_ATTR_IDMAP, 0, 0, maps.get(), mount.map_recursively}, mount.destination);
        }();
        if (!opened) return fail(std::move(opened).error().wrap(concat("error mounting ", quote(mount.source), " to rootfs at ", quote(mount.destination))));
    }
    return {};
}

Result<void> Starter::create_group() {
    if (plan_.cgroup_path.empty()) return {};
    bool existed = TRY(cgroup::Group::at(plan_.cgroup_path)).exists();
    if (!plan_.cgroup_scope.name.empty()) TRY(start_scope());
    group_ = TRY(cgroup::Group::create(plan_.cgroup_path));
    remove_group_ = !existed;
    return apply_devices_early();
}

namespace {
/// Who comes from another owner's group, such as a login session's, may not: the common ancestor would have to be the caller's too. man: cgroups(7)
Result<bool> may_be_born_in(const std::string& group) {
    os::Fd unified = TRY(TRY(cgroup::Group::at(group)).open_unified());
    auto child = os::clone_process({0, unified.get()});
    if (!child && child.error().number() == EACCES) return false;
    os::Child born = TRY(std::move(child));
    if (born.pid == 0) ::_exit(0);
    TRY(os::wait_for_exit(born.pid));
    return true;
}
}  // namespace

/// systemd makes a scope around a process and ends it when it is empty; our init, however, is born into the cgroup. So another process stands
/// there first.
Result<void> Starter::start_scope() {
    auto inside = TRY(cgroup::Group::at(plan_.cgroup_path)).processes();
    if (inside && !inside->empty()) return fail(ErrorKind::Conflict, concat("unit ", plan_.cgroup_scope.name, " exists already and has ", inside->size(), " process(es)"), EEXIST);
    placeholder_ = TRY(os::clone_process({}));
    if (placeholder_.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;) ::pause();
    }
    TRY(cgroup::start_scope(plan_.cgroup_scope, plan_.cgroup_path, placeholder_.pid, concat("Proa container ", plan_.container_id)));
    moved_by_systemd_ = cgroup::is_of_user_manager(plan_.cgroup_path) && !TRY(may_be_born_in(plan_.cgroup_path));
    return {};
}

void Starter::end_placeholder() {
    if (placeholder_.pid <= 0) return;
    (void)os::send_signal(placeholder_.pidfd.get(), SIGKILL);
    (void)os::wait_for_exit(std::exchange(placeholder_.pid, -1));
}

Result<void> Starter::adopt_group(cgroup::Group group) {
    group_ = std::move(group);
    remove_group_ = true;
    return apply_devices_early();
}

Result<void> Starter::apply_devices_early() {
    // A v1 group takes device rules one at a time, first of all one that denies everything: an init that already lives in it could not
    // make or open a device in between. cgroup2 takes them in one piece, which is better done beside the init.
    if (devices_later_ || unified_devices()) return {};
    return group_->apply_devices(plan_.limits.devices);
}

bool Starter::unified_devices() const {
    auto layout = cgroup::layout();
    return layout && (*layout)->version == cgroup::Version::V2;
}

Result<void> Starter::open_channel() {
    if (group_) unified_ = TRY(group_->open_unified());
    auto pair = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    parent_end_ = std::move(pair.first);
    child_end_ = std::move(pair.second);
    const Namespace* user = find_namespace(plan_, NamespaceType::User);
    answers_left_ = (user && !is_joined(*user) ? 1 : 0) + (needs_pause() ? 1 : 0);
    return {};
}

InitContext Starter::context() const {
    InitContext context{plan_, streams_, sources_};
    context.channel = child_end_.get();
    context.gate = gate_;
    context.pause_prepared = needs_pause();
    return context;
}

void Starter::adopt(pid_t pid, os::Fd pidfd) {
    init_.pid = pid;
    init_.pidfd = std::move(pidfd);
}

namespace {
/// timens_offsets must be written before the first process enters the new time namespace.
Result<void> make_time_namespace(const Plan& plan) {
    const Namespace* space = find_namespace(plan, NamespaceType::Time);
    if (!space || is_joined(*space)) return {};
    if (::unshare(static_cast<int>(clone_flag(NamespaceType::Time))) < 0) return fail_errno("unshare", "time namespace");
    std::string text;
    for (auto& offset : plan.time_offsets) text += concat(offset.clock, ' ', offset.seconds, ' ', offset.nanoseconds, '\n');
    return text.empty() ? Result<void>() : write_process_file(::getpid(), "timens_offsets", text);
}

/// What the init inherits and its namespace's root has no right to: higher limits, a lower OOM score, streams of its own.
Result<void> prepare_for_mapped_root(const Plan& plan, const Streams& streams) {
    TRY(raise_limits(plan.process));
    TRY(set_oom_score(plan.process, TRY(os::open_file("/proc", O_PATH | O_DIRECTORY)).get()));
    auto outside = [](const std::vector<IdMapping>& mappings) -> uint32_t {
        for (auto& mapping : mappings)
            if (mapping.container_id == 0) return mapping.host_id;
        return 0;
    };
    return give_streams_away(streams, outside(plan.uid_mappings), outside(plan.gid_mappings));
}

/// Between the starter and an init that must be born into joined or user namespaces: joins, clones the starter's child, ends. `await_cgroup`: the
/// starter has it moved into the container's cgroup first.
[[noreturn]] void run_helper(InitContext context, int unified, bool await_cgroup) {
    Channel channel(context.channel);
    auto help = [&]() -> Result<void> {
        // A plain user could not write the maps of a process that is not dumpable; the init makes up for it.
        if (::geteuid() == 0 && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail_errno("PR_SET_DUMPABLE");
        if (await_cgroup) TRY(channel.wait_for_go());
        if (!context.plan.cgroup_path.empty()) TRY(TRY(cgroup::Group::at(context.plan.cgroup_path)).attach_self_to_v1());
        if (!context.plan.root.mapped_directory.empty()) TRY(prepare_for_mapped_root(context.plan, context.streams));
        TRY(join_namespaces(context.plan, context.streams));
        TRY(make_time_namespace(context.plan));
        uint64_t later = CLONE_NEWCGROUP | clone_flag(NamespaceType::Time);
        os::Child child = TRY(os::clone_process({(new_namespace_flags(context.plan) & ~later) | CLONE_PARENT, unified}));
        if (child.pid == 0) {
            context.in_cgroup = true;
            context.joined = true;
            auto go = channel.wait_for_go();  // the starter knows our pid
            if (!go) ::_exit(1);
            run_init(context);
        }
        return channel.say(Word::Spawned, child.pidfd.get(), child.pid);
    };
    auto done = help();
    if (!done) channel.say_failure(std::move(done).error().wrap("error during container init"));
    ::_exit(done ? 0 : 1);
}
}  // namespace

Result<void> Starter::clone() {
    if (needs_helper()) {
        os::Child helper = TRY(os::clone_process({}));
        if (helper.pid == 0) run_helper(context(), moved_by_systemd_ ? -1 : unified_.get(), moved_by_systemd_);
        helper_ = helper.pid;
        if (moved_by_systemd_) {
            TRY(cgroup::attach_by_systemd(plan_.cgroup_path, helper_));
            TRY(Channel(parent_end_.get()).say(Word::Go));
        }
        return {};
    }
    uint64_t flags = new_namespace_flags(plan_) & ~static_cast<uint64_t>(CLONE_NEWCGROUP);
    os::Child child = TRY(os::clone_process({flags, unified_.get()}));
    if (child.pid == 0) run_init(context());
    adopt(child.pid, std::move(child.pidfd));
    return {};
}

Result<Init> Starter::start() {
    TRY(open_sources());
    TRY(create_group());
    TRY(open_channel());
    TRY(clone());
    close_child_end();
    return finish();
}

Result<Init> Starter::finish() {
    if (init_.pid > 0) end_placeholder();
    if (group_) {
        if (!plan_.cgroup_scope.name.empty()) TRY(cgroup::set_scope_limits(plan_.cgroup_path, plan_.limits));
        TRY(group_->apply_without_devices(plan_.limits));
        if (!devices_later_ && unified_devices()) TRY(group_->apply_devices(plan_.limits.devices));
    }
    limits_applied_ = true;
    TRY(release_when_limited());
    TRY(converse());
    end_placeholder();
    if (gate_ && streams_.gate_listener < 0) init_.start_gate = std::move(parent_end_);
    done_ = true;
    return std::move(init_);
}

Result<void> Starter::release_when_limited() {
    if (!limits_applied_ || answers_left_ > 0) return {};
    auto said = Channel(parent_end_.get()).say(Word::Go);
    if (!said && said.error().number() != EPIPE && said.error().number() != ECONNRESET) return said;
    return {};  // a failure that it has left for us to read counts more
}

Result<void> Starter::answer(Incoming incoming, bool& executing, bool& ready) {
    Channel channel(parent_end_.get());
    switch (incoming.message.word) {
        case Word::Failure: return fail(error_of(incoming.message));
        case Word::Spawned:
            adopt(incoming.message.number, std::move(incoming.fd));
            TRY(os::wait_for_exit(std::exchange(helper_, -1)));
            return channel.say(Word::Go);
        case Word::MapUsers:
            TRY(write_id_maps(init_.pid, plan_.uid_mappings, plan_.gid_mappings));
            answers_left_--;
            TRY(channel.say(Word::Go));
            return release_when_limited();
        case Word::Prepared:
            TRY_WRAP("error running prestart hook", run_hooks(plan_.prestart_hooks, plan_.hook_state, "creating", init_.pid));
            TRY_WRAP("error running createRuntime hook", run_hooks(plan_.create_runtime_hooks, plan_.hook_state, "creating", init_.pid));
            if (group_ && devices_later_) TRY(group_->apply_devices(plan_.limits.devices));
            answers_left_--;
            TRY(channel.say(Word::Go));
            return release_when_limited();
        case Word::Console: init_.console = std::move(incoming.fd); return {};
        case Word::Ready: ready = true; return {};
        case Word::Executing: executing = true; return {};
        case Word::SeccompListener:
            if (!plan_.process.seccomp_listener) break;
            return deliver_listener(*plan_.process.seccomp_listener, incoming.fd.get(), "created", init_.pid, init_.pid, parent_end_.get());
        case Word::Go: break;
    }
    return fail(ErrorKind::Internal, "the init said what it may not say");
}

Result<void> Starter::converse() {
    bool executing = false, ready = false;
    for (;;) {
        auto incoming = TRY(Channel(parent_end_.get()).hear());
        if (!incoming) return executing ? Result<void>() : fail(death_of_init());
        TRY(answer(std::move(*incoming), executing, ready));
        if (ready) return {};
    }
}

Error Starter::death_of_init() {
    uint64_t kills = group_ ? group_->oom_kills().value_or(0) : 0;
    if (init_.pid <= 0) return Error(ErrorKind::Internal, "the helper of the container's init ended early");
    auto status = os::wait_for_exit(std::exchange(init_.pid, -1));
    std::string how = !status ? "" : status->signal ? concat(" (signal ", status->signal, ')') : concat(" (exit status ", status->code, ')');
    if (kills > 0) return Error(ErrorKind::InvalidArgument, concat("container init was OOM-killed (memory limit too low?)", how));
    return Error(ErrorKind::Internal, concat("the container's init ended before it could execute its program", how));
}

}  // namespace proa::runtime
