#include "bundle/lifecycle.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "bundle/config.h"
#include "bundle/hand_over.h"
#include "bundle/network_devices.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "runtime/hooks.h"

namespace proa::bundle {

namespace {
std::string owner_name() {
    // The user database by name service would need plugins; root is what runs us, others are told by number.
    return ::geteuid() == 0 ? "root" : concat(::geteuid());
}

struct Prepared {
    StateDirectory directory;
    ContainerState state;
    runtime::Plan plan;
    std::vector<NetworkDevice> network_devices;
};

bool has_limits(cgroup::Limits limits) {
    limits.devices.clear();
    return pack(limits) != pack(cgroup::Limits());
}

/// Without the right to make groups a container of a plain user goes without one; then nothing may be asked of it.
Result<void> settle_cgroup(runtime::Plan& plan, const json::Value& config) {
    auto group = cgroup::Group::create(plan.cgroup_path);
    if (group) return group->remove();
    int number = group.error().number();
    if (number != EACCES && number != EPERM && number != EROFS) return fail(std::move(group).error());
    if (!config["linux"]["cgroupsPath"].as_string().empty() || has_limits(plan.limits))
        return fail(std::move(group).error().wrap("rootless: neither linux.cgroupsPath nor linux.resources can be honoured"));
    plan.cgroup_path.clear();
    return {};
}

Result<Prepared> prepare(const CreateOptions& options) {
    std::string bundle = os::clean_path(options.bundle[0] == '/' ? options.bundle : concat(TRY(os::read_link("/proc/self/cwd")), '/', options.bundle));
    auto text = os::read_file(bundle + "/config.json", 16 << 20);
    if (!text) {
        if (text.error().number() == ENOENT) return fail(ErrorKind::NotFound, "JSON specification file config.json not found");
        return fail(std::move(text).error());
    }
    json::Value config = TRY_WRAP("config.json", json::parse(*text));
    StateDirectory directory = TRY(StateDirectory::at(options.root, options.id));
    if (directory.load()) return fail(ErrorKind::Conflict, "container with given ID already exists");
    PlanOptions plan_options{options.id, bundle, options.root + "/.seccomp", options.no_pivot, options.no_new_keyring, "", options.rootless, options.systemd_cgroup};
    runtime::Plan plan = TRY(plan_of(config, plan_options));
    TRY(check_console(options.hand_over, options.detach, plan.process.terminal));
    if (options.rootless && plan.cgroup_scope.name.empty()) TRY(settle_cgroup(plan, config));
    if (!plan.cgroup_path.empty()) {
        auto inside = TRY(cgroup::Group::at(plan.cgroup_path)).processes();
        if (inside && !inside->empty()) return fail(ErrorKind::Conflict, "container's cgroup is not empty: " + concat(inside->size()) + " process(es) found");
    }

    ContainerState state;
    state.oci_version = config["ociVersion"].as_string();
    state.id = options.id;
    state.bundle = bundle;
    state.rootfs = plan.root.directory;
    state.cgroup_path = plan.cgroup_path;
    state.cgroup_scope = plan.cgroup_scope.name;
    state.owner = owner_name();
    state.annotations = config["annotations"];
    state.creator_pid = ::getpid();
    state.creator_start_time = TRY(os::process_start_time(state.creator_pid));
    state.created = now();
    TRY(directory.create());
    // Before anything of the container exists: a delete after a crash must find its cgroup and its hooks.
    auto kept = os::write_file(directory.file("config.json"), *text, 0600);
    if (kept) kept = directory.save(state);
    if (!kept) {
        (void)directory.remove();
        return fail(std::move(kept).error());
    }
    auto devices = TRY(network_devices_of(config["linux"]["netDevices"]));
    return Prepared{std::move(directory), std::move(state), std::move(plan), std::move(devices)};
}

Result<void> note_init(Prepared& prepared, const runtime::Init& init, const CreateOptions& options) {
    prepared.state.pid = init.pid;
    prepared.state.start_time = TRY(os::process_start_time(init.pid));
    TRY(prepared.directory.save(prepared.state));
    TRY(move_network_devices(prepared.network_devices, init.pid));
    return hand_over(options.hand_over, init);
}

/// Ends what was started and removes every trace.
void undo(Prepared& prepared, runtime::Init& init) {
    (void)os::send_signal(init.pidfd.get(), SIGKILL);
    (void)os::wait_for_exit(init.pid);
    if (auto group = group_of(prepared.state)) {
        (void)group->kill_all();
        (void)group->remove();
    }
    (void)prepared.directory.remove();
}
}  // namespace

Result<void> create_container(const CreateOptions& options) {
    Prepared prepared = TRY(prepare(options));
    auto create = [&]() -> Result<runtime::Init> {
        os::Fd gate = TRY(os::listen_unix(prepared.directory.file("start.sock"), os::SocketType::SeqPacket, 0600, 1));
        runtime::Streams streams = inherited_streams(options.hand_over);
        streams.gate_listener = gate.get();
        return TRY_WRAP(kUnableToStart, runtime::create(prepared.plan, streams));
    };
    auto init = create();
    if (!init) {
        (void)prepared.directory.remove();
        return fail(std::move(init).error());
    }
    auto noted = note_init(prepared, *init, options);
    if (!noted) undo(prepared, *init);
    return noted;
}

namespace {
/// Deletes a container of ours whose init has ended.
Result<void> clean_up(const StateDirectory& directory, const ContainerState& state) {
    if (!state.cgroup_path.empty()) {
        auto group = TRY(group_of(state));
        TRY(group.kill_all());
        TRY(group.remove());
    }
    auto ran = [&]() -> Result<void> {
        json::Value config = TRY(directory.config());
        return runtime::run_hooks(TRY(hooks_of(config, "poststop")), hook_state_of(config, state.id, state.bundle), "stopped", 0);
    }();
    if (!ran) log::warn(ran.error().message());  // Spec: a failing poststop hook is only told
    return directory.remove();
}
}  // namespace

Result<int> run_container(const CreateOptions& options) {
    if (!options.detach && !options.no_subreaper) (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    Prepared prepared = TRY(prepare(options));
    auto init = runtime::create(prepared.plan, inherited_streams(options.hand_over));
    if (!init) {
        (void)prepared.directory.remove();
        return fail(std::move(init).error().wrap(kUnableToStart));
    }
    auto started = [&]() -> Result<void> {
        TRY(note_init(prepared, *init, options));
        TRY_WRAP(kUnableToStart, runtime::open_gate(*init, prepared.plan.process.seccomp_listener));
        return runtime::run_hooks(prepared.plan.poststart_hooks, prepared.plan.hook_state, "running", init->pid);
    }();
    if (!started) {
        undo(prepared, *init);
        return fail(std::move(started).error());
    }
    if (options.detach) return 0;
    int code = TRY(attend_process(*init));
    if (!options.keep) TRY(clean_up(prepared.directory, prepared.state));
    return code;
}

Result<void> start_container(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    switch (directory.status(state)) {
        case Status::Stopped: return fail(ErrorKind::Conflict, "cannot start a container that has stopped");
        case Status::Running: return fail(ErrorKind::Conflict, "cannot start an already running container");
        case Status::Paused: return fail(ErrorKind::Conflict, "cannot start a container in the paused state");
        case Status::Creating: return fail(ErrorKind::Conflict, "cannot start a container that is being created");
        case Status::Created: break;
    }
    json::Value config = TRY(directory.config());
    auto process = TRY(process_of(config["process"], config["linux"]["seccomp"],
                                  {id, state.bundle, root + "/.seccomp", false, false, hook_state_of(config, id, state.bundle)}));
    auto connection = os::connect_unix(directory.file("start.sock"), os::SocketType::SeqPacket);
    if (!connection) return fail(ErrorKind::Conflict, "cannot start a container that has stopped");
    // Only one start can win the rename; a second one finds no gate.
    TRY(os::rename_path(directory.file("start.sock"), directory.file("started.sock")));
    TRY_WRAP(kUnableToStart, runtime::open_gate(connection->get(), process.seccomp_listener, state.pid));
    auto hooks = runtime::run_hooks(TRY(hooks_of(config, "poststart")), hook_state_of(config, id, state.bundle), "running", state.pid);
    if (!hooks) (void)kill_container(root, id, "KILL", false);
    return hooks;
}

Result<void> kill_container(const std::string& root, const std::string& id, const std::string& signal, bool all) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    auto number = os::signal_from_name(signal);
    if (!number) return fail(ErrorKind::InvalidArgument, concat("unknown signal ", quote(signal)));
    auto group = group_of(state);
    auto init = directory.open_init(state);
    if (all && !state.cgroup_path.empty()) {
        if (!group) return fail(std::move(group).error());
        if (!init) {
            // The init is gone; stragglers of a shared pid namespace may not be.
            auto left = group->processes();
            if (!left || left->empty()) return fail(std::move(init).error());
        }
        return group->signal_all(*number);
    }
    if (!init) return fail(std::move(init).error());
    auto sent = os::send_signal(init->get(), *number);
    if (!sent) return fail(ErrorKind::Conflict, "container not running");
    if (*number == SIGKILL && group && group->frozen().value_or(false)) TRY(group->thaw());
    return {};
}

namespace {
/// A creation that goes on must not bring back what is about to be deleted.
Result<void> end_creator(const ContainerState& state) {
    auto creator = os::open_pidfd(state.creator_pid);
    if (!creator || os::process_start_time(state.creator_pid).value_or(0) != state.creator_start_time) return {};
    (void)os::send_signal(creator->get(), SIGKILL);
    if (!TRY_WRAP("wait for the end of the container's creator", os::wait_readable(creator->get(), 10'000)))
        return fail(ErrorKind::Unavailable, concat("process ", state.creator_pid, ", which creates the container, does not end"));
    return {};
}
}  // namespace

Result<void> delete_container(const std::string& root, const std::string& id, bool force) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    auto loaded = directory.load();
    if (!loaded) {
        if (force && loaded.error().is(ErrorKind::NotFound)) return directory.remove();
        return fail(std::move(loaded).error());
    }
    Status status = directory.status(*loaded);
    if (!force && (status == Status::Running || status == Status::Paused || status == Status::Creating))
        return fail(ErrorKind::Conflict, concat("cannot delete container ", id, " that is not stopped: ", status_name(status)));
    if (status == Status::Creating) TRY(end_creator(*loaded));
    if (auto init = directory.open_init(*loaded)) {
        (void)os::send_signal(init->get(), SIGKILL);
        if (auto group = group_of(*loaded); group && group->frozen().value_or(false)) (void)group->thaw();
        if (!TRY_WRAP("wait for the end of the container's init", os::wait_readable(init->get(), 10'000)))
            return fail(ErrorKind::Unavailable, "container init still running");
    }
    return clean_up(directory, *loaded);
}

Result<void> pause_container(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    Status status = directory.status(state);
    if (status != Status::Running && status != Status::Created) return fail(ErrorKind::Conflict, "container not running");
    return TRY(group_of(state)).freeze();
}

Result<void> resume_container(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    if (directory.status(state) != Status::Paused) return fail(ErrorKind::Conflict, "container not paused");
    return TRY(group_of(state)).thaw();
}

}  // namespace proa::bundle
