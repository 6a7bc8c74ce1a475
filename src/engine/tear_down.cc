#include "engine/tear_down.h"

#include <atomic>
#include <optional>
#include <thread>

#include "base/log.h"
#include "cgroup/group.h"
#include "engine/container_cgroup.h"
#include "engine/networks.h"
#include "engine/settings.h"
#include "engine/stop_container.h"
#include "volume/store.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;

constexpr size_t kStopsAtOnce = 32;

/// The user has not stopped it: a later daemon starts it again when its policy says so.
Result<void> stop_for_now(Parts& parts, const ContainerPointer& container) {
    bool by_hand = container->record().manually_stopped;
    auto stopped = stop_container(parts, container, {});
    if (!stopped && !stopped.error().is(ErrorKind::NotModified)) return stopped;
    auto record = container->change([&](container::Record& record) {
        record.manually_stopped = by_hand;
        return record;
    });
    if (record.removing || record.host_config.auto_remove) return {};
    return parts.records.save(record, container::RecordStore::Durable::Yes);
}

class Outcome {
public:
    void take(Result<void> done, std::string_view act) {
        if (done) return;
        auto error = std::move(done).error().wrap(act);
        log::error(error.message());
        std::lock_guard lock(mutex_);
        if (!first_) first_ = std::move(error);
    }
    Result<void> result() {
        if (first_) return fail(std::move(*first_));
        return {};
    }

private:
    std::mutex mutex_;
    std::optional<Error> first_;
};

void stop_all(Parts& parts, Outcome& outcome) {
    auto containers = parts.containers.all();
    std::atomic<size_t> next = 0;
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < std::min(kStopsAtOnce, containers.size()); i++)
        workers.emplace_back([&] {
            for (size_t at; (at = next++) < containers.size();)
                if (containers[at]->state().running) outcome.take(stop_for_now(parts, containers[at]), concat("stop container ", containers[at]->id()));
        });
}

}  // namespace

Result<void> tear_down(Parts& parts) {
    Outcome outcome;
    stop_all(parts, outcome);
    outcome.take(parts.volumes.unmount_unused(), "unmount volumes");
    outcome.take(parts.network.take_down_all(), "remove networks");
    auto settings = parts.settings();
    if (cgroup_driver(*settings) == CgroupDriver::Cgroupfs) {
        auto group = cgroup::Group::at(default_cgroup_parent(*settings));
        outcome.take(group ? group->remove() : Result<void>(fail(std::move(group).error())), "remove the containers' cgroup");
    }
    return outcome.result();
}

}  // namespace proa::engine
