#include "engine/finish_container.h"

#include "base/log.h"
#include "container/shim_supply.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/container_mounts.h"
#include "engine/health_monitor.h"
#include "engine/log_forwarder.h"
#include "engine/network_attachment.h"
#include "engine/remove_container.h"
#include "engine/restart_scheduler.h"
#include "engine/start_container.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

bool wants_restart(const Record& record, int64_t exit_code) {
    auto& policy = record.host_config.restart_policy;
    if (record.manually_stopped) return false;
    if (policy.name == "always" || policy.name == "unless-stopped") return true;
    return policy.name == "on-failure" && exit_code != 0 && (policy.maximum_retry_count == 0 || record.restart_count < policy.maximum_retry_count);
}

/// The record of a container that has just ended.
Record note_ended(const ContainerPointer& container, const container::ContainerExit& exit, bool restart) {
    return container->change([&](Record& record) {
        auto& state = record.state;
        state.running = state.restarting = restart;  // as in Docker, one that waits for its restart counts as running
        state.paused = false;
        state.status = restart ? "restarting" : "exited";
        state.pid = 0;
        state.exit_code = exit.exit_code;
        state.oom_killed = exit.out_of_memory;
        state.finished_at = exit.finished;
        if (exit.shim_lost) state.error = "the container's shim was killed and took the container with it";
        if (restart) record.restart_count++;
        clear_endpoints(record);
        return record;
    });
}

void release_shim(Parts& parts, const container::ContainerExit& exit) {
    if (!exit.shim) return parts.shims.expect_end(exit.shim_pid);
    auto released = exit.shim->request(shim::MessageType::Release, std::string(), {}, 5000);
    if (!released) log::debug(concat("release of a shim: ", released.error().message()));  // it ends by itself when nobody is connected
    parts.shims.expect_end(exit.shim_pid);
}

/// Network first, volumes, then `die`: the order that Docker's clients see.
void publish_end(Parts& parts, const ContainerPointer& container, const Record& before, const container::ContainerExit& exit) {
    publish_network_events(parts.events, parts.network, before, "disconnect");
    detach_mounts(parts, before);
    int64_t seconds = std::max<int64_t>(0, exit.finished.seconds - before.state.started_at.seconds);
    publish_container_event(parts.events, *container, "die", {{"exitCode", concat(exit.exit_code)}, {"execDuration", concat(seconds)}});
}

}  // namespace

void finish_container(Parts& parts, const ContainerPointer& container, const container::ContainerExit& exit) {
    std::unique_lock operation(container->operation());
    auto before = container->record();
    if (exit.run != container->current_run() || !before.state.running) return release_shim(parts, exit);
    if (exit.shim_lost) end_remains(parts, before);  // nobody keeps its output or learns its end
    bool restart = wants_restart(before, exit.exit_code);
    bool remove = before.host_config.auto_remove && !restart;
    detach_networks(parts, before);
    (void)os::remove_file(before.sandbox_key);  // a symlink that now points nowhere
    publish_end(parts, container, before, exit);
    parts.health.end(container);
    parts.logs.finish(container->id());
    auto record = note_ended(container, exit, restart);
    parts.execs.finish_container(record.id, 137);
    // With AutoRemove the record goes away in a moment: boot finishes that from the exit record if we die in between.
    if (!remove) {
        auto saved = parts.records.save(record, container::RecordStore::Durable::No);
        if (!saved) log::error(concat("the end of container ", record.id, " could not be saved: ", saved.error().message()));
    }
    if (restart) {
        int64_t uptime = exit.finished.unix_nano() - before.state.started_at.unix_nano();
        parts.restarts.schedule(container, uptime);
    }
    container->notify_exited(exit.exit_code);
    release_shim(parts, exit);
    if (!remove) return;
    auto removed = remove_container_locked(parts, container, true);
    if (!removed) {
        log::error(removed.error().message());
        container->notify_removed(exit.exit_code, removed.error().message());
    }
}

}  // namespace proa::engine
