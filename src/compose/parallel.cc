#include "compose/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace proa::compose {

namespace {
constexpr size_t kThreads = 64;  // beyond this the engine is the bound, not we

/// What the threads of one run share; everything is guarded by `mutex`.
class GraphRun {
public:
    GraphRun(const TaskGraph& graph, const std::function<Result<void>(const std::string&)>& work) : work_(work) {
        std::set<std::string> known(graph.tasks.begin(), graph.tasks.end());
        for (auto& task : graph.tasks) {
            auto& open = open_[task];
            if (auto found = graph.after.find(task); found != graph.after.end())
                for (auto& other : found->second)
                    if (known.contains(other)) open.insert(other);
            left_++;
        }
    }

    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            auto ready = std::find_if(open_.begin(), open_.end(), [](auto& each) { return each.second.empty(); });
            if (left_ == 0 || failure_) return;
            if (ready == open_.end()) {
                changed_.wait(lock);
                continue;
            }
            std::string task = ready->first;
            open_.erase(ready);
            lock.unlock();
            auto done = work_(task);
            lock.lock();
            left_--;
            if (!done && !failure_) failure_ = done.error();
            for (auto& [name, waits] : open_) waits.erase(task);
            changed_.notify_all();
        }
    }
    Result<void> result() {
        if (failure_) return fail(*failure_);
        return {};
    }

private:
    const std::function<Result<void>(const std::string&)>& work_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::set<std::string>> open_;
    size_t left_ = 0;
    std::optional<Error> failure_;
};

size_t thread_count(size_t tasks, size_t limit) { return std::min({tasks, limit == 0 ? kThreads : limit, kThreads}); }
}  // namespace

TaskGraph TaskGraph::reversed() const {
    TaskGraph turned{tasks, {}};
    for (auto& [task, others] : after)
        for (auto& other : others) turned.after[other].insert(task);
    return turned;
}

Result<void> run_graph(const TaskGraph& graph, size_t limit, const std::function<Result<void>(const std::string& task)>& work) {
    GraphRun run(graph, work);
    std::vector<std::thread> threads;
    for (size_t i = 1; i < thread_count(graph.tasks.size(), limit); i++) threads.emplace_back([&] { run.serve(); });
    run.serve();
    for (auto& thread : threads) thread.join();
    return run.result();
}

Result<void> run_parallel(size_t count, size_t limit, const std::function<Result<void>(size_t index)>& work) {
    std::vector<std::optional<Error>> failures(count);
    std::atomic<size_t> next = 0;
    auto serve = [&] {
        for (size_t index = next++; index < count; index = next++)
            if (auto done = work(index); !done) failures[index] = done.error();
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < thread_count(count, limit); i++) threads.emplace_back(serve);
    serve();
    for (auto& thread : threads) thread.join();
    for (auto& failure : failures)
        if (failure) return fail(*failure);
    return {};
}

}  // namespace proa::compose
