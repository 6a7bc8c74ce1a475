#include "engine/pause_container.h"

#include "cgroup/group.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/health_monitor.h"
#include "engine/start_container.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

Result<void> keep_paused(Parts& parts, const ContainerPointer& container, bool paused) {
    auto record = container->change([&](Record& record) {
        record.state.paused = paused;
        record.state.status = paused ? "paused" : "running";
        return record;
    });
    return parts.records.save(record, container::RecordStore::Durable::No);
}

}  // namespace

Result<void> pause_container(Parts& parts, const ContainerPointer& container) {
    std::lock_guard operation(container->operation());
    auto state = container->state();
    if (!state.running) return fail(ErrorKind::Conflict, concat("container ", container->id(), " is not running"));
    if (state.paused) return fail(ErrorKind::Conflict, concat("Container ", container->id(), " is already paused"));
    if (state.restarting) return fail(ErrorKind::Conflict, concat("container ", container->name(), " is restarting, wait until the container is running"));
    auto group = TRY(cgroup::Group::at(cgroup_path(parts, container->record())));
    TRY_WRAP(concat("cannot pause container ", container->id()), group.freeze());
    parts.health.end(container);
    TRY(keep_paused(parts, container, true));
    publish_container_event(parts.events, *container, "pause");
    return {};
}

Result<void> thaw_container(Parts& parts, const ContainerPointer& container) {
    auto group = TRY(cgroup::Group::at(cgroup_path(parts, container->record())));
    TRY_WRAP(concat("cannot resume container ", container->id()), group.thaw());
    TRY(keep_paused(parts, container, false));
    parts.health.resume(container);
    publish_container_event(parts.events, *container, "unpause");
    return {};
}

Result<void> unpause_container(Parts& parts, const ContainerPointer& container) {
    std::lock_guard operation(container->operation());
    if (!container->state().paused) return fail(ErrorKind::Internal, concat("Container ", container->id(), " is not paused"));
    return thaw_container(parts, container);
}

}  // namespace proa::engine
