#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace proa::container {

/// A few threads that run what is put in, in order of arrival. Destruction runs what still waits, then joins.
class WorkQueue {
public:
    explicit WorkQueue(size_t threads) {
        for (size_t i = 0; i < threads; i++) threads_.emplace_back([this] { run(); });
    }
    ~WorkQueue() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        ready_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    void put(std::function<void()> work) {
        {
            std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(work));
        }
        ready_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> waiting_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;

    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            ready_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            auto work = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            work();
            lock.lock();
        }
    }
};

}  // namespace proa::container
