#include "engine/start_container.h"

#include <sys/mount.h>

#include <cerrno>

#include "base/id.h"
#include "base/log.h"
#include "cgroup/layout.h"
#include "container/monitor.h"
#include "container/plan.h"
#include "container/shim_supply.h"
#include "engine/apparmor.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/container_files.h"
#include "engine/container_mounts.h"
#include "engine/network_attachment.h"
#include "engine/foreign_runtime.h"
#include "engine/health_monitor.h"
#include "engine/log_drivers.h"
#include "engine/log_forwarder.h"
#include "engine/remove_container.h"
#include "engine/restart_scheduler.h"
#include "engine/seccomp_profiles.h"
#include "engine/security_options.h"
#include "engine/settings.h"
#include "engine/start_plan.h"
#include "os/file.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

constexpr int kLaunchTimeoutMs = 120000;

Result<void> check_startable(const Record& record) {
    if (record.removing || record.state.dead) return fail(ErrorKind::Conflict, "container is marked for removal and cannot be started");
    if (record.state.paused) return fail(ErrorKind::Conflict, "cannot start a paused container, try unpause instead");
    if (record.state.running && !record.state.restarting) return fail(ErrorKind::NotModified, "");
    return {};
}

container::RecordStore::Durable durability_of(const Record& record) {
    bool restarts = record.host_config.restart_policy.name != "no";
    return restarts ? container::RecordStore::Durable::Yes : container::RecordStore::Durable::No;
}

/// The order of descriptors that shim/protocol.h's Launch wants.
struct LaunchDescriptors {
    std::vector<int> fds;
    uint32_t plan_count = 0, held_count = 0;
};

LaunchDescriptors order_descriptors(const os::Fd& plan, const std::vector<os::Fd>& trees, NetworkAttachment& network) {
    LaunchDescriptors ordered;
    ordered.fds.push_back(plan.get());
    if (network.sandbox) {
        ordered.fds.push_back(network.sandbox->space.descriptor.get());
        ordered.plan_count = 1;
    }
    for (auto& tree : trees) ordered.fds.push_back(tree.get());
    ordered.plan_count += static_cast<uint32_t>(trees.size());
    for (auto& held : network.held) ordered.fds.push_back(held.get());
    ordered.held_count = static_cast<uint32_t>(network.held.size());
    for (size_t i = 0; i < network.proxies.size(); i++) {
        network.proxies[i].descriptor = static_cast<int32_t>(ordered.fds.size());
        ordered.fds.push_back(network.proxied[i].get());
    }
    return ordered;
}

shim::Launch make_launch(const Parts& parts, const Record& record, const NetworkAttachment& network, const LaunchDescriptors& ordered,
                         const std::optional<ForeignRuntime>& foreign) {
    shim::Launch launch;
    launch.container_id = record.id;
    launch.state_directory = parts.paths.state(record.id);
    launch.plan_descriptors = ordered.plan_count;
    launch.held = ordered.held_count;
    launch.terminal = record.config.tty;
    launch.open_stdin = record.config.open_stdin;
    launch.stdin_once = record.config.stdin_once;
    launch.log = log_settings(parts.paths, record);
    launch.proxies = network.proxies;
    if (foreign) {
        launch.foreign_runtime = foreign->program;
        launch.foreign_runtime_args = foreign->arguments;
        launch.bundle_directory = foreign->bundle;
        launch.rootfs_mount = foreign->root;
    }
    return launch;
}

/// Clients that attached before the start; what could not be passed on is closed.
void pass_pending_attaches(const ContainerPointer& container, shim::Connection& connection) {
    for (auto& pending : container->take_pending_attaches()) {
        shim::Attach attach;
        attach.attach_id = pending.attach_id;
        attach.use_stdin = pending.use_stdin;
        attach.use_stdout = pending.use_stdout;
        attach.use_stderr = pending.use_stderr;
        attach.framed = pending.framed;
        attach.detach_keys = pending.detach_keys;
        attach.early_bytes = pending.early_bytes;
        int fds[] = {pending.stream.get()};
        auto passed = connection.request(shim::MessageType::Attach, attach, fds);
        if (!passed) log::warn(concat("a client of container ", container->id(), " could not be attached: ", passed.error().message()));
    }
}

struct Launched {
    std::shared_ptr<shim::Connection> connection;
    int64_t pid = 0;
    int32_t shim_pid = 0;
};

Result<Launched> launch(Parts& parts, const ContainerPointer& container, const Record& record, const StartPlan& start, NetworkAttachment& network,
                        const std::optional<ForeignRuntime>& foreign) {
    os::Fd packed = TRY(os::sealed_memfd("proa-plan", pack(start.plan)));
    TRY(os::make_directories(parts.paths.state(record.id), 0700));
    auto shim = TRY(parts.shims.take(os::directory_of(start.plan.cgroup_path)));
    auto connection = std::make_shared<shim::Connection>(std::move(shim.connection));
    pass_pending_attaches(container, *connection);
    auto ordered = order_descriptors(packed, start.trees, network);
    auto message = make_launch(parts, record, network, ordered, foreign);
    auto launched = [&]() -> Result<Launched> {
        TRY(connection->request(shim::MessageType::Subscribe, std::string(), {}, kLaunchTimeoutMs));
        auto reply = TRY(connection->request(shim::MessageType::Launch, message, ordered.fds, kLaunchTimeoutMs));
        return Launched{connection, reply.pid, shim.pid};
    }();
    if (!launched) {
        connection.reset();  // a shim that could not launch ends by itself, one that hangs ends with its connection
        parts.shims.expect_end(shim.pid);
    }
    return launched;
}

/// The runtime's refusal in Docker's words: 127 and 126 are for commands that cannot be executed.
Error explain_failure(Error error, int64_t& exit_code) {
    int number = error.number();
    bool command = error.message().find("exec: ") != std::string::npos || error.message().starts_with("exec ");
    exit_code = 128;
    if (command && (number == ENOENT || number == ENOTDIR)) exit_code = 127;
    else if (command && (number == EACCES || number == EISDIR || number == ENOEXEC || number == EPERM)) exit_code = 126;
    bool caller = exit_code != 128;
    return Error(caller ? ErrorKind::InvalidArgument : ErrorKind::Internal,
                 concat("failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
                        "unable to start container process: ", error.message(), ": unknown"), number);
}

void note_failure(Parts& parts, const ContainerPointer& container, int64_t exit_code, const std::string& message) {
    auto record = container->change([&](Record& record) {
        record.state.running = record.state.restarting = record.state.paused = false;
        record.state.status = record.state.started_at.is_zero() ? "created" : "exited";
        record.state.exit_code = exit_code;
        record.state.error = message;
        clear_endpoints(record);
        return record;
    });
    container->take_pending_attaches();
    (void)parts.records.save(record, container::RecordStore::Durable::No);  // the start's own error is the one to report
    (void)os::remove_tree(parts.paths.state(record.id));
}

/// Address, ports and cgroup are kept before the launch: a daemon that dies in between finds them when it finds the container running.
Result<void> note_placement(Parts& parts, const ContainerPointer& container, const NetworkAttachment& network, const std::string& apparmor_profile) {
    std::string path = cgroup_path(parts, container->record());
    auto record = container->change([&](Record& record) {
        record.networks = network.networks;
        record.ports = network.ports;
        record.cgroup_path = path;
        record.apparmor_profile = apparmor_profile;
        return record;
    });
    return parts.records.save(record, container::RecordStore::Durable::No);
}

void note_running(const ContainerPointer& container, const Paths& paths, int64_t pid) {
    container->change([&](Record& record) {
        auto& state = record.state;
        state.status = "running";
        state.running = true;
        state.paused = state.restarting = state.dead = state.oom_killed = false;
        state.pid = pid;
        state.exit_code = 0;
        state.error.clear();
        state.started_at = now();
        record.manually_stopped = false;
        record.sandbox_id = random_id();
        record.sandbox_key = concat(paths.namespaces(), '/', short_id(record.sandbox_id));
        return record;
    });
}

Record with_environment(Record record, const std::vector<std::string>& more) {
    auto environment = record.config.env.value_or(std::vector<std::string>());
    environment.insert(environment.end(), more.begin(), more.end());
    record.config.env = std::move(environment);
    return record;
}

/// With the operation held, of a container that may be started.
Result<void> attempt_start(Parts& parts, const ContainerPointer& container, const std::vector<std::string>& secret_environment) {
    auto record = container->record();
    NetworkAttachment network;
    auto attached = attach_networks(parts, record);
    if (!attached) {
        note_failure(parts, container, 128, attached.error().message());
        return fail(std::move(attached).error());
    }
    network = std::move(*attached);
    record.networks = network.networks;
    record.ports = network.ports;
    publish_network_events(parts.events, parts.network, record, "connect");
    auto give_up = [&](Error error, int64_t exit_code) -> Result<void> {
        detach_networks(parts, record);
        publish_network_events(parts.events, parts.network, record, "disconnect");
        detach_mounts(parts, record);
        note_failure(parts, container, exit_code, error.message());
        return fail(std::move(error));
    };
    auto profile = apparmor_profile_of(parts.paths, record.host_config);
    if (!profile) return give_up(std::move(profile).error(), 128);
    if (auto noted = note_placement(parts, container, network, *profile); !noted) return give_up(std::move(noted).error(), 128);
    auto mounts = attach_mounts(parts, record);
    if (!mounts) return give_up(std::move(mounts).error(), 128);
    std::optional<Record> with_secrets;
    if (!secret_environment.empty()) with_secrets = with_environment(record, secret_environment);
    auto plan = make_start_plan(parts, with_secrets ? *with_secrets : record, network, std::move(*mounts));
    if (!plan) return give_up(std::move(plan).error(), 128);
    auto foreign = prepare_foreign_runtime(parts, record, plan->plan, network);
    if (!foreign) {
        int64_t exit_code = exit_code_of_foreign(foreign.error());
        return give_up(std::move(foreign).error(), exit_code);
    }
    auto remote_log = parts.logs.connect(record);
    if (!remote_log) return give_up(Error(ErrorKind::Internal, concat("failed to create task for container: ", remote_log.error().message())), 128);
    if (auto directory = os::directory_of(log_file(parts.paths, record)); sends_away(record.host_config.log_config) || record.host_config.log_config.type == "local")
        if (auto made = os::make_directories(directory, 0700); !made) return give_up(std::move(made).error(), 128);
    auto launched = launch(parts, container, record, *plan, network, *foreign);
    if (!launched) {
        int64_t exit_code = *foreign ? exit_code_of_foreign(launched.error()) : 128;
        Error error = *foreign ? explain_foreign_failure(std::move(launched).error()) : explain_failure(std::move(launched).error(), exit_code);
        return give_up(std::move(error), exit_code);
    }
    uint64_t run = container->begin_run();
    note_running(container, parts.paths, launched->pid);
    parts.health.start(container);
    parts.logs.begin(parts, record, std::move(*remote_log));
    auto running = container->record();
    if (network.sandbox) begin_names(parts, running, std::move(network.sandbox->space.resolver));
    (void)os::make_symlink(concat("/proc/", launched->pid, "/ns/net"), running.sandbox_key);  // a convenience for nsenter
    auto saved = parts.records.save(running, durability_of(running));
    if (!saved) log::error(concat("container ", running.id, " runs, but its record could not be saved: ", saved.error().message()));
    publish_container_event(parts.events, *container, "start");
    TRY(parts.monitor.watch(running.id, run, parts.paths.state(running.id), launched->connection, launched->shim_pid));
    return {};
}

/// `attempted` tells a start that failed from one that there was no reason for (it runs already, is paused, is being removed).
Result<void> start_or_remove(Parts& parts, const ContainerPointer& container, const std::vector<std::string>& secret_environment, bool& attempted) {
    std::unique_lock operation(container->operation());
    TRY(check_startable(container->record()));
    parts.restarts.drop(container->id());  // a start by hand: calling the planned one off later must not end what runs by then
    attempted = true;
    auto started = attempt_start(parts, container, secret_environment);
    if (!started && container->read([](const Record& record) { return record.host_config.auto_remove; })) {
        auto removed = remove_container_locked(parts, container, true);
        if (!removed) log::error(removed.error().message());
    }
    return started;
}
}  // namespace

Result<void> start_container(Parts& parts, const ContainerPointer& container, const std::vector<std::string>& secret_environment) {
    bool attempted = false;
    return start_or_remove(parts, container, secret_environment, attempted);
}

void restart_by_policy(Parts& parts, const ContainerPointer& container) {
    bool attempted = false;
    auto started = start_or_remove(parts, container, {}, attempted);
    if (started || !attempted) return;
    log::error(concat("container ", container->id(), " could not be restarted: ", started.error().message()));
    container->notify_exited(container->state().exit_code);
}

}  // namespace proa::engine
