#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "container/container.h"

namespace proa::engine {

/// Starts containers again after their back-off: 100 ms doubling to one minute unless the restart policy has other delays, from the start
/// again after 10 s up.
class RestartScheduler {
public:
    using Start = std::function<void(const container::ContainerPointer&)>;
    /// `start` runs on the scheduler's thread.
    explicit RestartScheduler(Start start);
    ~RestartScheduler();

    /// Plans the next start of a container that ran `uptime` nanoseconds. Returns the delay in milliseconds.
    int64_t schedule(const container::ContainerPointer& container, int64_t uptime_nanoseconds);
    /// Calls a planned start off; false when none was planned (any more).
    bool cancel(const container::ContainerPointer& container);
    /// The container starts now, by whomever; its state is left alone.
    void drop(const std::string& container_id);
    void forget(const std::string& container_id);  ///< its back-off too

private:
    struct Entry {
        container::ContainerPointer container;
        int64_t due = 0;  ///< CLOCK_MONOTONIC nanoseconds
    };
    void run();

    Start start_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Entry> planned_;
    std::map<std::string, int64_t> delays_ms_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace proa::engine
