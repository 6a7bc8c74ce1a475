#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace proa::http {

struct WorkerLimits {
    size_t kept = 2;             ///< idle threads that stay for ever
    size_t threads_max = 4096;   ///< further work waits for a thread
    int idle_seconds = 5;        ///< other threads leave after so long without work
    size_t stack_bytes = 1 << 20;  ///< address space; memory is used as it is touched
};

/// Runs blocking work on threads that come and go with the load. The thread that worked last works first, so few stacks
/// stay warm. Workers block every signal.
class WorkerPool {
public:
    explicit WorkerPool(WorkerLimits limits);
    /// Waits for running work; what has not begun is dropped.
    ~WorkerPool();

    /// Never blocks for the work itself.
    void submit(std::function<void()> work);
    size_t thread_count() const;

private:
    struct Worker {
        std::condition_variable wake;
        std::function<void()> work;
        bool leave = false;
    };

    static void* thread_main(void* pool);
    bool start_thread();  // needs mutex_
    void run();
    bool wait_for_work(Worker& worker, std::unique_lock<std::mutex>& lock);

    WorkerLimits limits_;
    mutable std::mutex mutex_;
    std::condition_variable all_gone_;
    std::deque<std::function<void()>> waiting_;
    std::vector<Worker*> idle_;  ///< the last one worked last
    size_t threads_ = 0;
    size_t starting_ = 0;  ///< started for waiting work that they have not taken yet
    bool stopping_ = false;
};

}  // namespace proa::http
