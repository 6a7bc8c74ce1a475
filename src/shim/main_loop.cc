#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/time.h"
#include "os/signal.h"
#include "os/socket.h"
#include "shim/shim.h"

namespace proa::shim {

namespace {
constexpr int64_t kMillisecond = 1'000'000;
constexpr int kIdleMilliseconds = 500;  // after that much quiet the output buffers' pages go back
}  // namespace

Result<void> Shim::run() {
    TRY(set_up());
    while (!is_over()) {
        bool busy = TRY(epoll_->dispatch(wait_time(monotonic_nanoseconds())));
        sweep(monotonic_nanoseconds());
        if (busy) continue;
        if (settle_due_ || output_buffer_used()) settle();
        else settle_due_ = true;  // a deadline: what it needed is not needed again
    }
    clean_up();
    return {};
}

/// Gives back the memory of what was done: buffers, heap, and the program's pages that only starting needed.
void Shim::settle() {
    settle_due_ = false;
    release_output_buffer();
    if (log_) log_->release_memory();
    ::malloc_trim(0);
    if (options_.release_program_pages) options_.release_program_pages();
}

Result<void> Shim::set_up() {
    epoll_ = TRY(os::Epoll::create());
    TRY(os::block_all_signals());
    signals_ = TRY(os::open_signal_descriptor({SIGCHLD}));
    TRY(epoll_->add(signals_.get(), EPOLLIN, signal_handler_));
    os::Fd control(options_.control_descriptor);
    TRY(os::set_close_on_exec(control.get(), true));
    if (!options_.pool_cgroup_path.empty()) {
        // Without a pooled group (another cgroup layout, say) the launch takes the direct way, which only costs time.
        auto parked = runtime::ParkedLauncher::park(options_.pool_cgroup_path);
        if (parked) parked_ = std::move(*parked);
    }
    return add_connection(std::move(control));
}

Result<void> Shim::add_connection(os::Fd socket) {
    auto connection = std::make_unique<EngineConnection>(*epoll_, *this, std::move(socket));
    connection->id = next_connection_++;
    TRY(connection->start());
    connections_.push_back(std::move(connection));
    return {};
}

void Shim::on_listener(uint32_t) {
    auto socket = os::accept_connection(listener_.get(), true);
    if (!socket) return;
    auto peer = os::peer_credentials(socket->get());
    if (!peer || (peer->uid != 0 && peer->uid != ::geteuid())) return;
    (void)add_connection(std::move(*socket));  // no descriptor left: the engine sees its connection closed
}

void Shim::on_signal(uint32_t) {
    while (os::next_signal(signals_.get())) {
    }
    reap();
}

void Shim::on_out_of_memory(uint32_t) {
    memory_rechecks_left_ = 10;
    look_for_kills();
}

/// cgroup v1 signals before it kills and counts: look again until the count has moved.
void Shim::look_for_kills() {
    memory_recheck_ = 0;
    if (!memory_watch_) return;
    if (memory_watch_->take() == 0) {
        if (--memory_rechecks_left_ > 0) memory_recheck_ = monotonic_nanoseconds() + 20 * kMillisecond;
        return;
    }
    out_of_memory_ = true;
    Event event;
    event.type = EventType::OutOfMemory;
    event.out_of_memory = true;
    event.time_unix_nano = now().unix_nano();
    tell(event);
}

void Shim::tell(const Event& event) {
    for (auto& connection : connections_)
        if (connection->subscribed) connection->send_event(event);
}

bool Shim::has_subscriber() const {
    for (auto& connection : connections_)
        if (connection->subscribed && !connection->closed()) return true;
    return false;
}

/// What must not happen inside a handler: destroying closed parties, deadlines, phase changes.
void Shim::sweep(int64_t now) {
    if (container_) {
        container_->task.sweep(now);
        advance(*container_, now);
    }
    for (auto& exec : execs_) {
        exec->task.sweep(now);
        advance(*exec, now);
    }
    std::erase_if(execs_, [](auto& exec) { return exec->phase == Phase::Leaving && !exec->task.has_clients(); });
    std::erase_if(connections_, [](auto& connection) { return connection->closed(); });
    for (auto& proxy : proxies_) proxy->sweep();
    if (memory_recheck_ != 0 && now >= memory_recheck_) look_for_kills();
}

int Shim::wait_time(int64_t now) const {
    int64_t earliest = 0;
    auto consider = [&](int64_t deadline) {
        if (deadline != 0 && (earliest == 0 || deadline < earliest)) earliest = deadline;
    };
    if (container_) {
        consider(container_->deadline);
        consider(container_->task.next_deadline());
    }
    consider(memory_recheck_);
    for (auto& proxy : proxies_) consider(proxy->deadline());
    for (auto& exec : execs_) {
        consider(exec->deadline);
        consider(exec->task.next_deadline());
    }
    int64_t most = settle_due_ || output_buffer_used() ? kIdleMilliseconds : -1;
    if (earliest == 0) return static_cast<int>(most);
    if (most < 0) most = 3'600'000;
    return static_cast<int>(std::clamp<int64_t>((earliest - now + kMillisecond - 1) / kMillisecond, 0, most));
}

}  // namespace proa::shim
