#pragma once
#include "container/monitor.h"
#include "container/work_queue.h"
#include "engine/parts.h"

namespace proa::engine {

/// What the shims report, carried to the use cases: ends of containers on worker threads, the rest at once.
class ShimReports : public container::MonitorSink {
public:
    ShimReports() : workers_(std::make_unique<container::WorkQueue>(4)) {}
    /// Before the monitor watches anything.
    void connect(Parts& parts) { parts_ = &parts; }
    void stop() { workers_.reset(); }

    void container_exited(const std::string& container_id, container::ContainerExit exit) override;
    void exec_exited(const std::string& container_id, const std::string& exec_id, int64_t exit_code) override;
    void detached(const std::string& container_id, const std::string& exec_id) override;
    void out_of_memory(const std::string& container_id) override;

private:
    Parts* parts_ = nullptr;
    std::unique_ptr<container::WorkQueue> workers_;
};

}  // namespace proa::engine
