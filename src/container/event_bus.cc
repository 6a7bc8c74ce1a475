#include "container/event_bus.h"

#include <unistd.h>

namespace proa::container {

namespace {
constexpr size_t kKept = 256;
constexpr size_t kWaitingMax = 65536;
}  // namespace

std::vector<docker::Event> EventBus::Subscription::take() {
    std::lock_guard lock(mutex_);
    uint64_t count;
    ssize_t got = ::read(ready_.get(), &count, sizeof count);
    (void)got;  // empty is fine: the eventfd is non-blocking
    std::vector<docker::Event> events(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    return events;
}

void EventBus::publish(std::string type, std::string action, std::string id, std::map<std::string, std::string> attributes) {
    docker::Event event;
    event.type = std::move(type);
    event.action = std::move(action);
    event.actor.id = std::move(id);
    event.actor.attributes = std::move(attributes);
    std::lock_guard lock(mutex_);
    // Strictly rising times let a reader resume with `since` and miss nothing.
    last_time_ = std::max(last_time_ + 1, now().unix_nano());
    event.time_nano = last_time_;
    event.time = last_time_ / 1000000000;
    std::erase_if(subscribers_, [](auto& subscriber) { return subscriber.expired(); });
    for (auto& weak : subscribers_) {
        auto subscriber = weak.lock();
        if (!subscriber) continue;
        std::lock_guard subscriber_lock(subscriber->mutex_);
        if (subscriber->waiting_.size() >= kWaitingMax) subscriber->waiting_.pop_front();
        subscriber->waiting_.push_back(event);
        os::signal_eventfd(subscriber->ready_.get());
    }
    kept_.push_back(std::move(event));
    if (kept_.size() > kKept) kept_.pop_front();
}

Result<std::shared_ptr<EventBus::Subscription>> EventBus::subscribe(std::optional<int64_t> since_unix_nano) {
    auto subscription = std::make_shared<Subscription>();
    subscription->ready_ = TRY(os::make_eventfd());
    std::lock_guard lock(mutex_);
    if (since_unix_nano)
        for (auto& event : kept_)
            if (event.time_nano >= *since_unix_nano) subscription->waiting_.push_back(event);
    if (!subscription->waiting_.empty()) os::signal_eventfd(subscription->ready_.get());
    subscribers_.push_back(subscription);
    return subscription;
}

size_t EventBus::subscriber_count() const {
    std::lock_guard lock(mutex_);
    std::erase_if(subscribers_, [](auto& subscriber) { return subscriber.expired(); });
    return subscribers_.size();
}

}  // namespace proa::container
