#include "container/shim_supply.h"

#include <sys/wait.h>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"

namespace proa::container {

Result<std::unique_ptr<ShimSupply>> ShimSupply::create(Options options) {
    std::unique_ptr<ShimSupply> supply(new ShimSupply(std::move(options)));
    supply->binary_ = TRY(shim::open_shim_binary(supply->options_.shim_path));
    return supply;
}

void ShimSupply::begin() {
    if (!options_.pool_cgroup_parent.empty() && options_.ready > 0) refiller_ = std::thread([this] { refill(); });
}

ShimSupply::~ShimSupply() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (refiller_.joinable()) refiller_.join();
}

Result<shim::StartedShim> ShimSupply::take(const std::string& cgroup_parent) {
    if (cgroup_parent == options_.pool_cgroup_parent) {
        std::unique_lock lock(mutex_);
        if (!ready_.empty()) {
            auto shim = std::move(ready_.back());
            ready_.pop_back();
            changed_.notify_all();
            return shim;
        }
    }
    return shim::start_shim(binary_.get());
}

size_t ShimSupply::ready() const {
    std::lock_guard lock(mutex_);
    return ready_.size();
}

void ShimSupply::expect_end(pid_t shim) {
    if (shim <= 0) return;
    {
        std::lock_guard lock(mutex_);
        ending_.push_back(shim);
    }
    reap();
}

void ShimSupply::reap() {
    std::lock_guard lock(mutex_);
    std::erase_if(ending_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG | __WALL) != 0; });
}

void ShimSupply::refill() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (ready_.size() >= options_.ready) {
            changed_.wait(lock);
            // The start that took one goes first: what we do now would only slow it down.
            changed_.wait_for(lock, std::chrono::milliseconds(15), [&] { return stopping_; });
            continue;
        }
        lock.unlock();
        auto started = shim::start_shim(binary_.get(), concat(options_.pool_cgroup_parent, "/pool-", random_hex(16)));
        lock.lock();
        if (started) {
            ready_.push_back(std::move(*started));
        } else {
            log::warn(concat("cannot start a shim ahead of time: ", started.error().message()));
            changed_.wait_for(lock, std::chrono::seconds(5), [&] { return stopping_; });
        }
    }
}

}  // namespace proa::container
