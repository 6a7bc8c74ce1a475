#pragma once
#include <memory>
#include <mutex>

#include "engine/settings.h"

namespace proa::engine {

/// The settings in force: read by every request, replaced whole by a reload. Thread-safe. Whoever holds what load() gave goes on
/// with the settings of that moment.
class CurrentSettings {
public:
    explicit CurrentSettings(Settings settings) : current_(std::make_shared<const Settings>(std::move(settings))) {}

    std::shared_ptr<const Settings> load() const {
        std::lock_guard lock(mutex_);
        return current_;
    }
    void store(Settings settings) {
        auto next = std::make_shared<const Settings>(std::move(settings));
        std::lock_guard lock(mutex_);
        current_ = std::move(next);
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Settings> current_;
};

}  // namespace proa::engine
