#include "engine/restart_scheduler.h"

#include "base/time.h"

namespace proa::engine {

namespace {
constexpr int64_t kFirstDelayMs = 100, kLongestDelayMs = 60000;
constexpr int64_t kMillisecond = 1000000;
constexpr int64_t kStableNanoseconds = int64_t{10} * 1000000000;
}  // namespace

RestartScheduler::RestartScheduler(Start start) : start_(std::move(start)), thread_([this] { run(); }) {}

RestartScheduler::~RestartScheduler() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

int64_t RestartScheduler::schedule(const container::ContainerPointer& container, int64_t uptime_nanoseconds) {
    auto policy = container->read([](const container::Record& record) { return record.host_config.restart_policy; });
    int64_t first = policy.delay_minimum == 0 ? kFirstDelayMs : std::max<int64_t>(policy.delay_minimum / kMillisecond, 1);
    int64_t longest = std::max(policy.delay_maximum == 0 ? kLongestDelayMs : policy.delay_maximum / kMillisecond, first);
    std::lock_guard lock(mutex_);
    int64_t& delay = delays_ms_[container->id()];
    delay = delay == 0 || uptime_nanoseconds >= kStableNanoseconds ? first : std::clamp(delay * 2, first, longest);
    planned_[container->id()] = Entry{container, monotonic_nanoseconds() + delay * kMillisecond};
    changed_.notify_all();
    return delay;
}

bool RestartScheduler::cancel(const container::ContainerPointer& container) {
    std::lock_guard lock(mutex_);
    if (planned_.erase(container->id()) == 0) return false;
    int64_t exit_code = container->change([](container::Record& record) {
        record.state.running = record.state.restarting = false;
        record.state.status = "exited";
        return record.state.exit_code;
    });
    container->notify_exited(exit_code);
    return true;
}

void RestartScheduler::drop(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    planned_.erase(container_id);
}

void RestartScheduler::forget(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    planned_.erase(container_id);
    delays_ms_.erase(container_id);
}

void RestartScheduler::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        auto next = std::min_element(planned_.begin(), planned_.end(), [](auto& a, auto& b) { return a.second.due < b.second.due; });
        if (next == planned_.end()) {
            changed_.wait(lock);
            continue;
        }
        int64_t left = next->second.due - monotonic_nanoseconds();
        if (left > 0) {
            changed_.wait_for(lock, std::chrono::nanoseconds(left));
            continue;
        }
        auto container = next->second.container;
        planned_.erase(next);
        lock.unlock();
        start_(container);
        lock.lock();
    }
}

}  // namespace proa::engine
