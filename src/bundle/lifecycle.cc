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
#include "bundle/new_container.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "runtime/hooks.h"

namespace proa::bundle {

Result<void> create_container(const CreateOptions& options) {
    NewContainer prepared = TRY(prepare_container(options));
    auto create = [&]() -> Result<runtime::Init> {
        os::Fd gate = TRY(os::listen_unix(prepared.directory.file("start.sock"), os::SocketType::SeqPacket, 0600, 1));
        runtime::Streams streams = inherited_streams(options.hand_over);
        streams.gate_listener = gate.get();
        return TRY_WRAP(kUnableToStart, runtime::create(prepared.plan, streams));
    };
    auto init = create();
    if (!init) {
        abandon_container(prepared);
        return fail(std::move(init).error());
    }
    auto noted = note_init(prepared, *init, options.hand_over);
    if (!noted) undo_container(prepared, *init);
    return noted;
}

Result<int> run_container(const CreateOptions& options) {
    if (!options.detach && !options.no_subreaper) (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    NewContainer prepared = TRY(prepare_container(options));
    auto init = runtime::create(prepared.plan, inherited_streams(options.hand_over));
    if (!init) {
        abandon_container(prepared);
        return fail(std::move(init).error().wrap(kUnableToStart));
    }
    auto started = [&]() -> Result<void> {
        TRY(note_init(prepared, *init, options.hand_over));
        TRY_WRAP(kUnableToStart, runtime::open_gate(*init, prepared.plan.process.seccomp_listener));
        return runtime::run_hooks(prepared.plan.poststart_hooks, prepared.plan.hook_state, "running", init->pid);
    }();
    if (!started) {
        undo_container(prepared, *init);
        return fail(std::move(started).error());
    }
    if (options.detach) return 0;
    int code = TRY(attend_process(*init));
    if (!options.keep) TRY(clean_up_container(prepared.directory, prepared.state));
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
    return clean_up_container(directory, *loaded);
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
