#include "base/time.h"
#include "os/file.h"
#include "os/signal.h"
#include "shim/records.h"
#include "shim/shim.h"

namespace proa::shim {

namespace {
constexpr int64_t kMillisecond = 1'000'000;
// The container's own processes are dead by then; only a descriptor passed out of it can keep a stream open.
constexpr int64_t kContainerGrace = 250 * kMillisecond;
constexpr int64_t kExecGrace = 2000 * kMillisecond;
constexpr int64_t kHold = 2000 * kMillisecond;
constexpr size_t kUntoldMax = 4096;
}  // namespace

void Shim::client_detached(Task& task, uint64_t attach_id) {
    Event event;
    event.type = EventType::Detached;
    event.exec_id = task.exec_id();
    event.attach_id = attach_id;
    event.time_unix_nano = now().unix_nano();
    tell(event);
}

void Shim::reap() {
    while (auto child = os::reap_child()) {
        if (log_ && child->pid == log_->compressor()) {
            log_->compressor_ended();
            if (container_ && !log_->blocked()) container_->task.log_unblocked();
            continue;
        }
        if (container_ && container_->task.running() && child->pid == container_->task.pid()) {
            process_ended(*container_, child->exit_code);
            continue;
        }
        for (auto& exec : execs_)
            if (exec->task.running() && exec->task.pid() == child->pid) process_ended(*exec, child->exit_code);
    }
}

void Shim::process_ended(Process& process, int exit_code) {
    const bool is_container = &process == container_.get();
    if (is_container && shares_pids_) end_leftovers();
    process.task.ended(exit_code, now());
    process.phase = Phase::Draining;
    process.deadline = monotonic_nanoseconds() + (is_container ? kContainerGrace : kExecGrace);
    if (is_container) return;
    Event event;
    event.type = EventType::ExecExited;
    event.exec_id = process.task.exec_id();
    event.exit_code = exit_code;
    event.time_unix_nano = process.task.end_time().unix_nano();
    if (has_subscriber())
        tell(event);
    else if (untold_.size() < kUntoldMax)
        untold_.push_back(event);
}

/// Moves on through the phases as far as possible.
void Shim::advance(Process& process, int64_t now) {
    if (process.phase == Phase::Draining && (process.task.output_ended() || now >= process.deadline)) drained(process, now);
    if (process.phase == Phase::Holding && (process.released || now >= process.deadline || !has_subscriber())) {
        process.task.finish_clients(true);
        process.phase = Phase::Leaving;
        process.deadline = 0;
    }
    if (&process != container_.get() || process.phase < Phase::Holding || cleaned_up_) return;
    if (!process.released && !connections_.empty()) return;
    clean_up();
    for (auto& connection : connections_)
        if (connection->id == pending_release_.connection) connection->reply(pending_release_.sequence, good_reply());
    connections_.clear();
}

void Shim::drained(Process& process, int64_t now) {
    process.task.stop_output();
    if (&process == container_.get()) record_exit();
    process.phase = Phase::Holding;
    process.deadline = now + kHold;
    process.task.finish_clients(false);
}

void Shim::record_exit() {
    look_for_kills();  // a kill just before the end
    ExitRecord record;
    record.exit_code = container_->task.exit_code();
    record.out_of_memory = out_of_memory_;
    record.finished_unix_nano = container_->task.end_time().unix_nano();
    // Without the record a later engine still finds that the init is gone; the connected one is told below in any case.
    (void)write_exit_record(state_directory_, record);
    tell(exit_event());
}

Event Shim::exit_event() const {
    Event event;
    event.type = EventType::Exited;
    event.exit_code = container_->task.exit_code();
    event.out_of_memory = out_of_memory_;
    event.time_unix_nano = container_->task.end_time().unix_nano();
    return event;
}

/// Where the container shares a pid namespace, its other processes outlive the init: they end with it, as in Docker.
void Shim::end_leftovers() {
    if (group_) (void)group_->kill_all();
    for (auto& exec : execs_)
        if (exec->task.running()) (void)exec->task.signal(9);
}

void Shim::clean_up() {
    if (cleaned_up_) return;
    cleaned_up_ = true;
    if (log_) log_->stop_compressor();
    proxies_.clear();
    held_.clear();
    if (memory_watch_) epoll_->remove(memory_watch_->fd(), memory_handler_);
    memory_watch_.reset();
    memory_recheck_ = 0;
    if (foreign_ && container_) (void)foreign_->remove();
    if (group_) (void)group_->remove();
    if (listener_) epoll_->remove(listener_.get(), listener_handler_);
    close_listener();
}

bool Shim::is_over() const {
    if (launch_failed_) return true;
    if (!container_) return connections_.empty();
    if (!cleaned_up_ || container_->task.has_clients()) return false;
    for (auto& exec : execs_)
        if (exec->task.has_clients()) return false;
    return true;
}

}  // namespace proa::shim
