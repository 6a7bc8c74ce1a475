#include "engine/update_container.h"

#include "container/plan.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/kernel_limits.h"
#include "engine/start_container.h"
#include "engine/validate_container.h"

namespace proa::engine {

namespace {

/// Puts every field that was asked for over the current ones.
void merge_resources(docker::Resources& into, const docker::Resources& from) {
    auto take = [](auto& target, const auto& value) {
        if (value != std::remove_cvref_t<decltype(value)>{}) target = value;
    };
    take(into.cpu_shares, from.cpu_shares);
    take(into.memory, from.memory);
    take(into.nano_cpus, from.nano_cpus);
    take(into.cpu_period, from.cpu_period);
    take(into.cpu_quota, from.cpu_quota);
    take(into.cpuset_cpus, from.cpuset_cpus);
    take(into.cpuset_mems, from.cpuset_mems);
    take(into.memory_reservation, from.memory_reservation);
    take(into.memory_swap, from.memory_swap);
    take(into.blkio_weight, from.blkio_weight);
    if (from.blkio_weight_device && !from.blkio_weight_device->empty()) into.blkio_weight_device = from.blkio_weight_device;
    if (from.blkio_device_read_bps && !from.blkio_device_read_bps->empty()) into.blkio_device_read_bps = from.blkio_device_read_bps;
    if (from.blkio_device_write_bps && !from.blkio_device_write_bps->empty()) into.blkio_device_write_bps = from.blkio_device_write_bps;
    if (from.blkio_device_read_iops && !from.blkio_device_read_iops->empty()) into.blkio_device_read_iops = from.blkio_device_read_iops;
    if (from.blkio_device_write_iops && !from.blkio_device_write_iops->empty()) into.blkio_device_write_iops = from.blkio_device_write_iops;
    take(into.cpu_realtime_period, from.cpu_realtime_period);
    take(into.cpu_realtime_runtime, from.cpu_realtime_runtime);
    if (from.pids_limit) into.pids_limit = from.pids_limit;
    if (from.nano_cpus > 0) into.cpu_period = into.cpu_quota = 0;
    if (from.cpu_period != 0 || from.cpu_quota != 0) into.nano_cpus = 0;
}

}  // namespace

Result<std::vector<std::string>> update_container(Parts& parts, const container::ContainerPointer& container, const docker::HostConfig& wanted) {
    std::lock_guard operation(container->operation());
    auto record = container->record();
    if (record.removing) return fail(ErrorKind::Conflict, "container is marked for removal and cannot be \"update\"");
    docker::HostConfig merged = record.host_config;
    merge_resources(merged.resources, wanted.resources);
    if (!wanted.restart_policy.name.empty()) {
        if (merged.auto_remove && wanted.restart_policy.name != "no")
            return fail(ErrorKind::InvalidArgument, "Restart policy cannot be updated because AutoRemove is enabled for the container");
        merged.restart_policy.name = wanted.restart_policy.name;
        merged.restart_policy.maximum_retry_count = wanted.restart_policy.maximum_retry_count;
        if (wanted.restart_policy.name == "no") merged.restart_policy.delay_minimum = merged.restart_policy.delay_maximum = 0;
    }
    if (wanted.restart_policy.delay_minimum != 0 || wanted.restart_policy.delay_maximum != 0) {  // of a policy that is there already, too
        merged.restart_policy.delay_minimum = wanted.restart_policy.delay_minimum;
        merged.restart_policy.delay_maximum = wanted.restart_policy.delay_maximum;
    }
    docker::HostConfig asked = wanted;  // what was asked for is checked too: the merge leaves zeros out
    if (asked.restart_policy.name.empty() && asked.restart_policy.maximum_retry_count == 0) asked.restart_policy = merged.restart_policy;
    asked.auto_remove = merged.auto_remove;
    asked.masked_paths = merged.masked_paths;
    TRY(validate_container(docker::ContainerConfig{}, merged));
    TRY(validate_container(docker::ContainerConfig{}, asked));
    auto warnings = TRY(discard_unsupported_limits(merged.resources));
    if (record.state.running && !record.state.restarting) {
        TRY_WRAP(concat("Cannot update container ", record.id), apply_limits(parts, record, TRY(container::make_limits(merged))));
    }
    auto saved = container->change([&](container::Record& record) {
        record.host_config = merged;
        return record;
    });
    TRY(parts.records.save(saved, container::RecordStore::Durable::Yes));
    publish_container_event(parts.events, *container, "update");
    return warnings;
}

}  // namespace proa::engine
