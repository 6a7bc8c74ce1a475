#pragma once
#include <deque>
#include <memory>
#include <mutex>

#include "os/fd.h"
#include "schema/docker/event.h"

namespace proa::container {

/// Publishes events to every subscriber and keeps the last 256 for replay. Thread-safe.
class EventBus {
public:
    /// A reader's queue: `ready_fd` (an eventfd) becomes readable when events wait. At most 64 Ki events wait; a reader that is
    /// slower than that loses the oldest.
    class Subscription {
    public:
        int ready_fd() const { return ready_.get(); }
        /// What waits now, oldest first.
        std::vector<docker::Event> take();

    private:
        friend class EventBus;
        std::mutex mutex_;
        std::deque<docker::Event> waiting_;
        os::Fd ready_;
    };

    /// Sends an event of now.
    void publish(std::string type, std::string action, std::string id, std::map<std::string, std::string> attributes);
    /// New events from now on, and in the same step the kept ones since `since` (nanoseconds; no value: none).
    Result<std::shared_ptr<Subscription>> subscribe(std::optional<int64_t> since_unix_nano);
    size_t subscriber_count() const;

private:
    mutable std::mutex mutex_;
    std::deque<docker::Event> kept_;
    mutable std::vector<std::weak_ptr<Subscription>> subscribers_;
    int64_t last_time_ = 0;
};

}  // namespace proa::container
