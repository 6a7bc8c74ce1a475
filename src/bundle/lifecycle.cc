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
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "runtime/hooks.h"

namespace proa::bundle {

namespace {
constexpr std::string_view kUnableToStart = "unable to start container process";

std::string owner_name() {
    // The user database by name service would need plugins; root is what runs us, others are told by number.
    return ::geteuid() == 0 ? "root" : concat(::geteuid());
}

struct Prepared {
    StateDirectory directory;
    ContainerState state;
    runtime::Plan plan;
};

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
    PlanOptions plan_options{options.id, bundle, options.root + "/.seccomp", options.no_pivot, options.no_new_keyring};
    runtime::Plan plan = TRY(plan_of(config, plan_options));
    bool terminal = plan.process.terminal;
    if (options.detach && terminal && options.console_socket.empty())
        return fail(ErrorKind::InvalidArgument, "cannot allocate tty if runc will detach without setting console socket");
    if (!options.console_socket.empty() && (!options.detach || !terminal))
        return fail(ErrorKind::InvalidArgument, "cannot use console socket if runc will not detach or allocate tty");
    auto group = TRY(cgroup::Group::at(plan.cgroup_path));
    if (auto inside = group.processes(); inside && !inside->empty()) return fail(ErrorKind::Conflict, "container's cgroup is not empty: " + concat(inside->size()) + " process(es) found");

    ContainerState state{config["ociVersion"].as_string(), options.id, bundle, plan.root.directory, plan.cgroup_path, owner_name(), config["annotations"], 0, 0, now()};
    TRY(directory.create());
    auto kept = os::write_file(directory.file("config.json"), *text, 0600);
    if (!kept) {
        (void)directory.remove();
        return fail(std::move(kept).error());
    }
    return Prepared{std::move(directory), std::move(state), std::move(plan)};
}

Result<void> hand_over_console(const std::string& socket_path, const os::Fd& console) {
    if (socket_path.empty()) return {};
    os::Fd socket = TRY_WRAP("console socket", os::connect_unix(socket_path, os::SocketType::Stream));
    int fd = console.get();
    return os::send_message(socket.get(), "/dev/ptmx", std::span(&fd, 1));
}

runtime::Streams inherited_streams(int preserve_fds) {
    runtime::Streams streams;
    streams.stdin_fd = 0;
    streams.stdout_fd = 1;
    streams.stderr_fd = 2;
    streams.preserved_descriptors = preserve_fds;
    return streams;
}

Result<void> note_init(Prepared& prepared, const runtime::Init& init, const CreateOptions& options) {
    prepared.state.pid = init.pid;
    prepared.state.start_time = TRY(os::process_start_time(init.pid));
    TRY(hand_over_console(options.console_socket, init.console));
    TRY(prepared.directory.save(prepared.state));
    if (!options.pid_file.empty()) TRY(os::replace_file(options.pid_file, concat(init.pid), 0644, false));
    return {};
}

/// Ends what was started and removes every trace.
void undo(Prepared& prepared, runtime::Init& init) {
    (void)os::send_signal(init.pidfd.get(), SIGKILL);
    (void)os::wait_for_exit(init.pid);
    if (auto group = cgroup::Group::at(prepared.state.cgroup_path)) {
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
        runtime::Streams streams = inherited_streams(options.preserve_fds);
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
    auto group = TRY(cgroup::Group::at(state.cgroup_path));
    TRY(group.kill_all());
    TRY(group.remove());
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
    auto init = runtime::create(prepared.plan, inherited_streams(options.preserve_fds));
    if (!init) {
        (void)prepared.directory.remove();
        return fail(std::move(init).error().wrap(kUnableToStart));
    }
    auto started = [&]() -> Result<void> {
        TRY(note_init(prepared, *init, options));
        TRY_WRAP(kUnableToStart, runtime::open_gate(*init));
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
        case Status::Created: break;
    }
    auto connection = os::connect_unix(directory.file("start.sock"), os::SocketType::SeqPacket);
    if (!connection) return fail(ErrorKind::Conflict, "cannot start a container that has stopped");
    // Only one start can win the rename; a second one finds no gate.
    TRY(os::rename_path(directory.file("start.sock"), directory.file("started.sock")));
    TRY_WRAP(kUnableToStart, runtime::open_gate(connection->get()));
    json::Value config = TRY(directory.config());
    auto hooks = runtime::run_hooks(TRY(hooks_of(config, "poststart")), hook_state_of(config, id, state.bundle), "running", state.pid);
    if (!hooks) (void)kill_container(root, id, "KILL", false);
    return hooks;
}

Result<void> kill_container(const std::string& root, const std::string& id, const std::string& signal, bool all) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    auto number = os::signal_from_name(signal);
    if (!number) return fail(ErrorKind::InvalidArgument, concat("unknown signal ", quote(signal)));
    auto group = TRY(cgroup::Group::at(state.cgroup_path));
    auto init = directory.open_init(state);
    if (all) {
        if (!init) {
            // The init is gone; stragglers of a shared pid namespace may not be.
            auto left = group.processes();
            if (!left || left->empty()) return fail(std::move(init).error());
        }
        return group.signal_all(*number);
    }
    if (!init) return fail(std::move(init).error());
    auto sent = os::send_signal(init->get(), *number);
    if (!sent) return fail(ErrorKind::Conflict, "container not running");
    if (*number == SIGKILL && group.frozen().value_or(false)) TRY(group.thaw());
    return {};
}

Result<void> delete_container(const std::string& root, const std::string& id, bool force) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    auto loaded = directory.load();
    if (!loaded) {
        if (force && loaded.error().is(ErrorKind::NotFound)) return directory.remove();
        return fail(std::move(loaded).error());
    }
    Status status = directory.status(*loaded);
    if (!force && (status == Status::Running || status == Status::Paused))
        return fail(ErrorKind::Conflict, concat("cannot delete container ", id, " that is not stopped: ", status_name(status)));
    if (auto init = directory.open_init(*loaded)) {
        (void)os::send_signal(init->get(), SIGKILL);
        if (auto group = cgroup::Group::at(loaded->cgroup_path); group && group->frozen().value_or(false)) (void)group->thaw();
        if (!TRY(os::wait_readable(init->get(), 10'000))) return fail(ErrorKind::Unavailable, "container init still running");
    }
    return clean_up(directory, *loaded);
}

Result<void> pause_container(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    Status status = directory.status(state);
    if (status != Status::Running && status != Status::Created) return fail(ErrorKind::Conflict, "container not running");
    return TRY(cgroup::Group::at(state.cgroup_path)).freeze();
}

Result<void> resume_container(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    if (directory.status(state) != Status::Paused) return fail(ErrorKind::Conflict, "container not paused");
    return TRY(cgroup::Group::at(state.cgroup_path)).thaw();
}

namespace {
Result<runtime::Process> exec_process(const ExecOptions& options, const json::Value& config, const std::string& bundle) {
    PlanOptions plan_options{options.id, bundle, options.root + "/.seccomp", false, false};
    json::Value process = config["process"];
    if (!options.process_file.empty()) {
        process = TRY_WRAP(options.process_file, json::parse(TRY(os::read_file(options.process_file, 16 << 20))));
    } else {
        json::Object& object = process.object();
        object["args"] = json::Value::strings(options.args);
        object["terminal"] = options.tty;
        if (!options.cwd.empty()) object["cwd"] = options.cwd;
        if (!options.apparmor.empty()) object["apparmorProfile"] = options.apparmor;
        if (!options.process_label.empty()) object["selinuxLabel"] = options.process_label;
        if (options.no_new_privs) object["noNewPrivileges"] = true;
        for (auto& entry : options.env) object["env"].array().push_back(entry);
        for (auto& name : options.capabilities)
            for (auto set : {"bounding", "effective", "permitted"}) object["capabilities"].object()[set].array().push_back(name);
        if (!options.user.empty()) {
            auto pair = cut(options.user, ":");
            auto uid = parse_uint(pair ? pair->first : std::string_view(options.user));
            auto gid = pair ? parse_uint(pair->second) : std::optional<uint64_t>(0);
            if (!uid || !gid) return fail(ErrorKind::InvalidArgument, concat("parsing ", options.user, " as uid[:gid] failed"));
            object["user"].object()["uid"] = *uid;
            if (pair) object["user"].object()["gid"] = *gid;
        }
        for (uint32_t gid : options.additional_gids) object["user"].object()["additionalGids"].array().push_back(gid);
    }
    return process_of(process, config["linux"]["seccomp"], plan_options);
}
}  // namespace

Result<int> execute_in_container(const ExecOptions& options) {
    StateDirectory directory = TRY(StateDirectory::at(options.root, options.id));
    ContainerState state = TRY(directory.load());
    Status status = directory.status(state);
    if (status == Status::Stopped) return fail(ErrorKind::Conflict, "cannot exec in a stopped container");
    if (status == Status::Paused && !options.ignore_paused)
        return fail(ErrorKind::Conflict, "cannot exec in a paused container (use --ignore-paused to override)");
    if (!options.cgroup.empty()) return fail(ErrorKind::Unsupported, "exec --cgroup is not supported");
    runtime::ExecPlan plan;
    plan.container_id = options.id;
    plan.init_pid = state.pid;
    plan.cgroup_path = state.cgroup_path;
    plan.process = TRY(exec_process(options, TRY(directory.config()), state.bundle));
    bool terminal = plan.process.terminal;
    if (options.detach && terminal && options.console_socket.empty())
        return fail(ErrorKind::InvalidArgument, "cannot allocate tty if runc will detach without setting console socket");
    if (!options.console_socket.empty() && (!options.detach || !terminal))
        return fail(ErrorKind::InvalidArgument, "cannot use console socket if runc will not detach or allocate tty");
    auto init = TRY_WRAP(kUnableToStart, runtime::execute(plan, inherited_streams(options.preserve_fds)));
    auto noted = hand_over_console(options.console_socket, init.console);
    if (noted && !options.pid_file.empty()) noted = os::replace_file(options.pid_file, concat(init.pid), 0644, false);
    if (!noted) {
        (void)os::send_signal(init.pidfd.get(), SIGKILL);
        return fail(std::move(noted).error());
    }
    if (options.detach) return 0;
    return attend_process(init);
}

}  // namespace proa::bundle
