#include "engine/shim_reports.h"

#include "engine/container_events.h"
#include "engine/finish_container.h"
#include "engine/health_monitor.h"

namespace proa::engine {

void ShimReports::container_exited(const std::string& container_id, container::ContainerExit exit) {
    workers_->put([this, container_id, exit = std::move(exit)] {
        if (auto container = parts_->containers.find(container_id)) finish_container(*parts_, *container, exit);
    });
}

void ShimReports::exec_exited(const std::string& container_id, const std::string& exec_id, int64_t exit_code) {
    if (auto exec = parts_->execs.find(exec_id)) (*exec)->finished(exit_code);
    parts_->health.exec_ended(exec_id, exit_code);
    if (auto container = parts_->containers.find(container_id))
        publish_container_event(parts_->events, **container, "exec_die", {{"execID", exec_id}, {"exitCode", concat(exit_code)}});
}

void ShimReports::detached(const std::string& container_id, const std::string& exec_id) {
    auto container = parts_->containers.find(container_id);
    if (!container) return;
    if (exec_id.empty()) publish_container_event(parts_->events, **container, "detach");
    else publish_container_event(parts_->events, **container, "exec_detach", {{"execID", exec_id}});
}

void ShimReports::out_of_memory(const std::string& container_id) {
    if (auto container = parts_->containers.find(container_id)) publish_container_event(parts_->events, **container, "oom");
}

}  // namespace proa::engine
