#include "container/monitor.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"

namespace proa::container {

struct Monitor::Watched {
    std::string container_id, state_directory;
    uint64_t run = 0, token = 0;
    int32_t shim_pid = 0;
    std::shared_ptr<shim::Connection> connection;
};

Result<std::unique_ptr<Monitor>> Monitor::start(MonitorSink& sink) {
    std::unique_ptr<Monitor> monitor(new Monitor(sink));
    monitor->epoll_ = os::Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!monitor->epoll_) return fail_errno("epoll_create1");
    monitor->wake_ = TRY(os::make_eventfd());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    if (::epoll_ctl(monitor->epoll_.get(), EPOLL_CTL_ADD, monitor->wake_.get(), &event) < 0) return fail_errno("epoll_ctl");
    monitor->thread_ = std::thread([monitor = monitor.get()] { monitor->run(); });
    return monitor;
}

Monitor::~Monitor() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    os::signal_eventfd(wake_.get());
    if (thread_.joinable()) thread_.join();
}

Result<void> Monitor::watch(const std::string& container_id, uint64_t run, const std::string& state_directory,
                            std::shared_ptr<shim::Connection> connection, int32_t shim_pid) {
    auto watched = std::make_shared<Watched>();
    watched->container_id = container_id;
    watched->state_directory = state_directory;
    watched->run = run;
    watched->shim_pid = shim_pid;
    watched->connection = std::move(connection);
    std::lock_guard lock(mutex_);
    watched->token = next_token_++;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = watched->token;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, watched->connection->fd(), &event) < 0) return fail_errno("epoll_ctl");
    if (auto before = watched_.find(container_id); before != watched_.end()) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, before->second->connection->fd(), nullptr);
        by_token_.erase(before->second->token);
    }
    watched_[container_id] = watched;
    by_token_[watched->token] = watched;
    // Events may have come with the replies before: look once even if nothing more arrives.
    os::signal_eventfd(wake_.get());
    return {};
}

void Monitor::flush() {
    std::unique_lock lock(mutex_);
    uint64_t wanted = ++flush_wanted_;
    os::signal_eventfd(wake_.get());
    flushed_.wait(lock, [&] { return flush_done_ >= wanted || stopping_; });
}

size_t Monitor::size() const {
    std::lock_guard lock(mutex_);
    return watched_.size();
}

void Monitor::run() {
    epoll_event ready[64];
    for (;;) {
        int count = ::epoll_wait(epoll_.get(), ready, std::size(ready), -1);
        std::vector<std::shared_ptr<Watched>> to_drain;
        uint64_t flush_now = 0;
        {
            std::lock_guard lock(mutex_);
            if (stopping_) break;
            bool woken = false;
            for (int i = 0; i < count; i++) {
                if (ready[i].data.u64 == 0) {
                    woken = true;
                } else if (auto found = by_token_.find(ready[i].data.u64); found != by_token_.end()) {
                    to_drain.push_back(found->second);
                }
            }
            if (woken) {
                uint64_t value;
                ssize_t got = ::read(wake_.get(), &value, sizeof value);
                (void)got;  // it was readable
                flush_now = flush_wanted_;
                to_drain.clear();
                for (auto& [token, watched] : by_token_) to_drain.push_back(watched);
            }
        }
        for (auto& watched : to_drain) drain(watched);
        if (flush_now == 0) continue;
        std::lock_guard lock(mutex_);
        flush_done_ = std::max(flush_done_, flush_now);
        flushed_.notify_all();
    }
    std::lock_guard lock(mutex_);
    flushed_.notify_all();
}

void Monitor::drain(const std::shared_ptr<Watched>& watched) {
    for (;;) {
        auto event = watched->connection->receive_event(0);
        if (!event) {  // the shim is gone; its exit record tells whether it did its duty
            ContainerExit exit;
            exit.run = watched->run;
            exit.shim_pid = watched->shim_pid;
            auto record = shim::read_exit_record(watched->state_directory);
            exit.exit_code = record ? record->exit_code : 137;
            exit.out_of_memory = record && record->out_of_memory;
            exit.finished = record ? Time::from_unix_nano(record->finished_unix_nano) : now();
            exit.shim_lost = !record;
            return finish(watched, std::move(exit));
        }
        if (!*event) return;
        auto& message = **event;
        switch (message.type) {
            case shim::EventType::Exited: {
                ContainerExit exit{watched->run, message.exit_code, message.out_of_memory, false, Time::from_unix_nano(message.time_unix_nano), watched->shim_pid, watched->connection};
                return finish(watched, std::move(exit));
            }
            case shim::EventType::ExecExited: sink_.exec_exited(watched->container_id, message.exec_id, message.exit_code); break;
            case shim::EventType::Detached: sink_.detached(watched->container_id, message.exec_id); break;
            case shim::EventType::OutOfMemory: sink_.out_of_memory(watched->container_id); break;
        }
    }
}

void Monitor::finish(const std::shared_ptr<Watched>& watched, ContainerExit exit) {
    {
        std::lock_guard lock(mutex_);
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched->connection->fd(), nullptr);
        if (by_token_.erase(watched->token) == 0) return;  // replaced meanwhile
        if (auto current = watched_.find(watched->container_id); current != watched_.end() && current->second == watched) watched_.erase(current);
    }
    sink_.container_exited(watched->container_id, std::move(exit));
}

}  // namespace proa::container
