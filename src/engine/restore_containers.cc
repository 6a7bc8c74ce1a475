#include "engine/restore_containers.h"

#include <signal.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/id.h"
#include "base/log.h"
#include "cgroup/group.h"
#include "container/monitor.h"
#include "engine/container_cgroup.h"
#include "engine/container_mounts.h"
#include "engine/network_attachment.h"
#include "engine/finish_container.h"
#include "engine/health_monitor.h"
#include "engine/log_forwarder.h"
#include "engine/remove_container.h"
#include "engine/start_container.h"
#include "os/file.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

/// What became of a container while no daemon was there.
enum class Fate {
    Runs,   ///< shim and init live
    Ended,  ///< an exit record tells how
    Lost,   ///< the shim is gone without a record: machine or shim went down
};

Fate find_fate(const std::string& state_directory, container::ContainerExit& exit) {
    auto running = shim::read_running_record(state_directory);
    auto ended = shim::read_exit_record(state_directory);
    if (ended) {
        exit.exit_code = ended->exit_code;
        exit.out_of_memory = ended->out_of_memory;
        exit.finished = Time::from_unix_nano(ended->finished_unix_nano);
        return Fate::Ended;
    }
    if (running && shim::liveness(*running).shim) return Fate::Runs;
    exit.exit_code = 137;
    exit.finished = now();
    exit.shim_lost = true;
    return Fate::Lost;
}

/// Connects to the shim of a container that still runs. False when it ended in this moment.
Result<bool> reconnect(Parts& parts, const ContainerPointer& container) {
    std::string state = parts.paths.state(container->id());
    auto connection = std::make_shared<shim::Connection>(TRY(shim::Connection::connect(state)));
    TRY(connection->request(shim::MessageType::Subscribe, std::string(), {}, 10000));
    auto reply = TRY(connection->request(shim::MessageType::Query, std::string(), {}, 10000));
    uint64_t run = container->begin_run();
    // A daemon that died between the launch and its record has the pid only here.
    container->change([&](Record& record) {
        if (reply.pid != 0) record.state.pid = reply.pid;
        record.state.running = true;
        record.state.restarting = false;
        if (record.state.status != "paused") record.state.status = "running";
        if (record.state.started_at.is_zero()) record.state.started_at = now();
    });
    TRY(adopt_networks(parts, container->record()));
    TRY(parts.monitor.watch(container->id(), run, state, std::move(connection), 0));
    if (!container->state().paused) parts.health.resume(container);
    parts.logs.begin(parts, container->record(), nullptr);
    return true;
}

/// Whether a shim has begun to run the container. A launch that the daemon before us asked for may be under way: its shim has the socket already
/// and writes its record, or takes the socket away, in a moment.
bool has_run(const std::string& state_directory) {
    constexpr int kTries = 200;
    for (int attempt = 0; attempt < kTries; attempt++) {
        if (os::exists(state_directory + "/running")) return true;
        if (!os::exists(shim::socket_path(state_directory))) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

void restore_one(Parts& parts, const ContainerPointer& container) {
    auto record = container->record();
    std::string state = parts.paths.state(record.id);
    bool has_state = has_run(state);
    bool thought_running = record.state.running && !record.state.restarting;
    if (!thought_running && !has_state) {
        container->change([](Record& record) { clear_endpoints(record); });  // of a start that was cut short
        if (record.state.restarting) {
            container->change([](Record& record) {
                record.state.running = record.state.restarting = false;
                record.state.status = "exited";
            });
        }
        return;
    }
    container::ContainerExit exit;
    Fate fate = find_fate(state, exit);
    if (fate == Fate::Runs) {
        auto connected = reconnect(parts, container);
        if (connected) return;
        fate = find_fate(state, exit);
        if (fate == Fate::Runs) {  // it lives but does not answer: the record must not lie
            log::error(concat("the shim of container ", record.id, " does not answer and is ended: ", connected.error().message()));
            if (auto running = shim::read_running_record(state)) ::kill(running->shim_pid, SIGKILL);
            exit.exit_code = 137;
            exit.finished = now();
            exit.shim_lost = true;
        }
    }
    exit.run = container->begin_run();
    container->change([](Record& record) { record.state.running = true; });
    parts.logs.begin(parts, container->record(), nullptr);  // what it still logged while we were away
    finish_container(parts, container, exit);
    // By its restart policy it may run again by now, with its state in the same place. An auto-removed container's is gone already.
    std::lock_guard operation(container->operation());
    if (container->current_run() == exit.run) (void)os::remove_tree(state);
}

/// Directories of containers that no record names: a create or remove that was cut short.
void remove_strangers(const std::string& directory, const std::set<std::string>& known) {
    auto names = os::list_directory(directory);
    if (!names) return;
    for (auto& name : *names) {
        if (known.contains(name)) continue;
        auto removed = os::remove_tree(directory + "/" + name);
        if (!removed) log::warn(concat("a directory without a container could not be removed: ", removed.error().message()));
    }
}

/// Cgroups that no container uses: those of killed starts and of the shims that waited ready.
void remove_stray_cgroups(Parts& parts, const std::set<std::string>& running_paths) {
    auto layout = cgroup::layout();
    if (!layout) return;
    std::string parent = os::directory_of(cgroup_path(parts, Record{.id = "any"}));
    std::set<std::string> strays;
    for (auto& hierarchy : (*layout)->hierarchies) {
        auto names = os::list_directory(hierarchy.mount_point + parent);
        for (auto& name : names.value_or(std::vector<std::string>())) {
            std::string path = os::join_path(parent, name);
            bool ours = name.starts_with("pool-") || is_full_id(name);
            if (ours && !running_paths.contains(path) && os::is_directory(hierarchy.mount_point + path)) strays.insert(path);
        }
    }
    for (auto& path : strays) {
        auto group = cgroup::Group::at(path);
        if (!group) continue;
        // A pooled shim of the daemon before us may be on its way out: what still has processes belongs to somebody alive.
        auto processes = group->processes();
        if (processes && !processes->empty()) continue;
        (void)group->remove();  // the next boot tries again
    }
}

/// What starts and creates of the daemon before us left of volumes.
void settle_volumes(Parts& parts) {
    auto unmounted = parts.volumes.unmount_unused();
    if (!unmounted) log::error(concat("a volume that nobody uses could not be unmounted: ", unmounted.error().message()));
    auto removed = parts.volumes.remove_unclaimed();
    if (!removed) log::error(concat("a volume of a container that was never created could not be removed: ", removed.error().message()));
}

}  // namespace

Result<void> restore_containers(Parts& parts) {
    std::set<std::string> known, layers, running_cgroups;
    for (auto& record : TRY(parts.records.load_all())) {
        auto container = std::make_shared<container::Container>(record);
        auto added = parts.containers.add(container);
        if (!added) {
            log::error(concat("container ", record.id, " cannot be restored: ", added.error().message()));
            continue;
        }
        known.insert(record.id);
        layers.insert(record.id);
        for (auto& name : image_mount_layers(record)) layers.insert(name);
        adopt_mounts(parts, record);
    }
    TRY(parts.images.keep_writable_layers(layers));
    for (auto& container : parts.containers.all()) {
        auto record = container->record();
        if (record.removing) {
            auto removed = remove_container_locked(parts, container, record.host_config.auto_remove);
            if (!removed) log::error(removed.error().message());
            continue;
        }
        restore_one(parts, container);
    }
    for (auto& container : parts.containers.all()) {
        if (container->state().running) {
            running_cgroups.insert(cgroup_path(parts, container->record()));
            adopt_mounts(parts, container->record());
        }
    }
    remove_strangers(parts.paths.containers(), known);
    remove_strangers(parts.paths.states(), known);
    remove_stray_cgroups(parts, running_cgroups);
    settle_volumes(parts);
    return reconcile_networks(parts);
}

void start_by_policy(Parts& parts) {
    for (auto& container : parts.containers.all()) {
        auto record = container->record();
        auto& policy = record.host_config.restart_policy.name;
        // As in Docker: `always` starts at boot even after a stop, `unless-stopped` does not; a never started one stays as it is.
        bool wanted = policy == "always" || (policy == "unless-stopped" && !record.manually_stopped) ||
                      (policy == "on-failure" && !record.manually_stopped && record.state.exit_code != 0);
        if (!wanted || record.state.running || record.state.started_at.is_zero()) continue;
        auto started = start_container(parts, container);
        if (!started) log::error(concat("container ", record.id, " could not be started by its restart policy: ", started.error().message()));
    }
}

}  // namespace proa::engine
