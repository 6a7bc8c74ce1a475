#include "engine/remove_container.h"

#include "base/log.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/container_mounts.h"
#include "engine/restart_scheduler.h"
#include "engine/stop_container.h"
#include "os/file.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

Result<void> check_removable(const Record& record, bool force) {
    auto& state = record.state;
    if (record.removing) return fail(ErrorKind::Conflict, concat("removal of container ", record.id, " is already in progress"));
    if (force || !(state.running || state.paused || state.restarting)) return {};
    auto refuse = [&](std::string_view why) {
        return fail(ErrorKind::Conflict, concat("cannot remove container \"/", record.name, "\": ", why));
    };
    if (state.paused) return refuse("container is paused and must be unpaused first");
    if (state.restarting) return refuse("container is restarting: stop the container before removing or force remove");
    return refuse("container is running: stop the container before removing or force remove");
}

Result<void> end_by_force(Parts& parts, const ContainerPointer& container) {
    constexpr int kTries = 100, kPauseMilliseconds = 100;
    for (int attempt = 0;; attempt++) {
        parts.restarts.cancel(container);
        if (!container->state().running) return {};
        auto killed = kill_container(parts, container, "KILL");
        if (killed) break;
        if (!container->state().running) return {};
        // It ended and is about to start again: what comes of that is there in a moment.
        if (!killed.error().is(ErrorKind::Conflict) || attempt == kTries) return killed;
        if (TRY(wait_until_stopped(container, kPauseMilliseconds))) return {};
    }
    if (!TRY(wait_until_stopped(container, 10000)))
        return fail(ErrorKind::Internal, concat("could not kill container: ", container->id(), " did not end within 10 s of SIGKILL"));
    return {};
}

}  // namespace

Result<void> remove_container_locked(Parts& parts, const ContainerPointer& container, bool volumes) {
    auto record = container->record();
    auto durability = record.host_config.auto_remove ? container::RecordStore::Durable::No : container::RecordStore::Durable::Yes;
    auto marked = container->change([](Record& record) {
        record.removing = true;
        record.state.status = "removing";
        return record;
    });
    end_remains(parts, record);
    auto removed = [&]() -> Result<void> {
        // Boot goes on with what is cut short here; what removes itself goes then in any case.
        if (!record.host_config.auto_remove) TRY(parts.records.save(marked, container::RecordStore::Durable::No));
        TRY(os::remove_tree(parts.paths.state(record.id)));
        TRY(parts.images.remove_writable_layer(record.id));
        TRY(os::remove_tree(parts.paths.container(record.id)));
        drop_mounts(parts, record, volumes);
        return parts.records.remove(record.id, durability);
    }();
    if (!removed) {
        container->change([&](Record& now) {
            now.removing = false;
            now.state.status = "dead";
            now.state.dead = true;
        });
        return fail(std::move(removed).error().wrap(concat("unable to remove container ", record.id)));
    }
    parts.restarts.forget(record.id);
    parts.execs.remove_container(record.id);
    parts.containers.remove(*container);
    publish_container_event(parts.events, *container, "destroy");
    container->take_pending_attaches();
    container->notify_removed(record.state.exit_code, "");
    return {};
}

Result<void> remove_container(Parts& parts, const ContainerPointer& container, const RemoveOptions& options) {
    TRY(container->read([&](const Record& record) { return check_removable(record, options.force); }));
    if (options.force && container->state().running) TRY(end_by_force(parts, container));
    std::lock_guard operation(container->operation());
    // With AutoRemove the end that we just caused may have removed it already.
    if (!parts.containers.find(container->id())) return {};
    TRY(container->read([&](const Record& record) { return check_removable(record, false); }));
    return remove_container_locked(parts, container, options.volumes || container->read([](const Record& record) { return record.host_config.auto_remove; }));
}

}  // namespace proa::engine
