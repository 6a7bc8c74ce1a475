#pragma once
#include <map>
#include <mutex>
#include <thread>

#include "container/container.h"
#include "container/work_queue.h"

namespace proa::engine {

struct Parts;

/// Runs the health checks of running containers: one thread waits for times, outputs and ends, two more start the probes, another
/// carries out --health-on-failure. Thread-safe. docs/life/health.md
class HealthMonitor {
public:
    HealthMonitor() = default;
    ~HealthMonitor() { stop(); }
    /// Before anything is watched.
    void begin(Parts& parts);
    void stop();

    /// The container has just started: its state is "starting" again. Nothing happens for one without a check.
    void start(const container::ContainerPointer& container);
    /// It was unpaused, or the daemon found it running: checks go on with the state as it is.
    void resume(const container::ContainerPointer& container);
    /// It was paused or has ended. As in Docker it counts as unhealthy from now on.
    void end(const container::ContainerPointer& container);
    void exec_ended(const std::string& exec_id, int64_t exit_code);

private:
    struct Probe {
        std::string exec_id;
        os::Fd stream;
        std::string frames, output;  ///< not yet taken apart; what the command said, cut at 4 KiB
        bool cut = false;
        Time started;
        int64_t deadline = 0;  ///< CLOCK_MONOTONIC nanoseconds
        std::optional<int64_t> exit_code;
    };
    struct Watch {
        container::ContainerPointer container;
        uint64_t run = 0;
        int64_t due = 0;        ///< of the next probe
        bool starting = false;  ///< a probe is being started on another thread
        std::optional<Probe> probe;
        int64_t saved = 0;  ///< when the record was last written
    };

    void put(const container::ContainerPointer& container);
    void run();
    int64_t look(int64_t at);
    void start_probe(const container::ContainerPointer& container, uint64_t run);
    void read_output(Probe& probe);
    void finish_probe(Watch& watch, int64_t exit_code, std::string output, Time started);
    void act_on_failure(const container::ContainerPointer& container, const std::string& action);

    Parts* parts_ = nullptr;
    std::mutex mutex_;
    os::Fd wake_;
    std::map<std::string, Watch> watches_;
    bool stopping_ = false;
    std::thread thread_;
    std::unique_ptr<container::WorkQueue> starters_, actions_;
};

/// Whether the configuration asks for probes.
bool has_health_check(const docker::ContainerConfig& config);
/// Errors: InvalidArgument "Interval in Healthcheck cannot be less than 1ms" and the like.
Result<void> validate_health_check(const docker::HealthConfig& health);
/// What to tell who sends a type of check that nobody knows: it is kept, as by Docker, and checks nothing.
std::optional<std::string> warn_of_health_check(const docker::HealthConfig& health);

}  // namespace proa::engine
