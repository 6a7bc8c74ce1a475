#include "http/worker_pool.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <utility>

#include "base/log.h"

namespace proa::http {

namespace {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackFactor = 4;  // sanitizers keep their thread-local data on the stack and widen frames
#else
constexpr size_t kStackFactor = 1;
#endif
}  // namespace

WorkerPool::WorkerPool(WorkerLimits limits) : limits_(limits) {}

WorkerPool::~WorkerPool() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    for (auto* worker : idle_) {
        worker->leave = true;
        worker->wake.notify_one();
    }
    idle_.clear();
    all_gone_.wait(lock, [this] { return threads_ == 0; });
}

size_t WorkerPool::thread_count() const {
    std::lock_guard lock(mutex_);
    return threads_;
}

void WorkerPool::submit(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
        auto* worker = idle_.back();
        idle_.pop_back();
        worker->work = std::move(work);
        worker->wake.notify_one();
        return;
    }
    waiting_.push_back(std::move(work));
    if (waiting_.size() > starting_ && threads_ < limits_.threads_max && !stopping_) start_thread();
}

bool WorkerPool::start_thread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, limits_.stack_bytes * kStackFactor);
    sigset_t all;
    sigfillset(&all);
    pthread_attr_setsigmask_np(&attributes, &all);
    pthread_t thread;
    int failed = pthread_create(&thread, &attributes, thread_main, this);
    pthread_attr_destroy(&attributes);
    if (failed) {
        log::warn("cannot start another worker thread; requests wait for the running ones");
        return false;
    }
    threads_++;
    starting_++;
    return true;
}

void* WorkerPool::thread_main(void* pool) {
    static_cast<WorkerPool*>(pool)->run();
    return nullptr;
}

bool WorkerPool::wait_for_work(Worker& worker, std::unique_lock<std::mutex>& lock) {
    idle_.push_back(&worker);
    auto has_news = [&] { return worker.work || worker.leave; };
    for (;;) {
        if (worker.wake.wait_for(lock, std::chrono::seconds(limits_.idle_seconds), has_news)) break;
        if (threads_ <= limits_.kept) continue;
        std::erase(idle_, &worker);
        return false;
    }
    return !worker.leave;
}

void WorkerPool::run() {
    Worker worker;
    std::unique_lock lock(mutex_);
    starting_--;
    while (!stopping_) {
        std::function<void()> work;
        if (!waiting_.empty()) {
            work = std::move(waiting_.front());
            waiting_.pop_front();
        } else if (wait_for_work(worker, lock)) {
            work = std::exchange(worker.work, nullptr);
        } else {
            break;
        }
        lock.unlock();
        work();
        work = nullptr;
        lock.lock();
    }
    threads_--;
    if (threads_ == 0) all_gone_.notify_all();
}

}  // namespace proa::http
