#include "http/server.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "http/connection.h"
#include "http/run_handler.h"
#include "http/socket_address.h"
#include "os/file.h"
#include "os/program_pages.h"

namespace proa::http {

namespace {
constexpr int kTickMs = 1000;
constexpr int kAcceptPauseMs = 100;  // after EMFILE: the listener would be readable for ever
constexpr int kQuietTicks = 5;
constexpr int kCutMs = 100;          // what handlers get to notice that their connection was cut
constexpr int64_t kNever = INT64_MAX;

/// A connection and who may touch it: the hub while it is parked, one worker otherwise.
struct Client {
    Client(os::Fd socket, PeerKind peer, size_t head_limit) : connection(std::move(socket), std::move(peer), head_limit) {}
    Connection connection;
    bool parked = false;      // guarded by State::mutex
    bool watched = false;     // is in the epoll set
    bool head_begun = false;
    int64_t deadline = kNever;  // of the head that is coming, monotonic nanoseconds
};

int64_t seconds_from_now(int seconds) { return monotonic_nanoseconds() + int64_t{seconds} * 1000000000; }
}  // namespace

struct Server::State {
    State(Handler handler_, ServerOptions options_)
        : handler(std::move(handler_)), options(options_), workers(options_.workers) {}

    void run_hub();
    void accept_from(Listener& listener);
    Result<std::unique_ptr<Client>> make_client(Listener& listener, os::Fd socket);
    size_t connection_count() const;
    void resume_accepting();
    void pause_accepting();
    void dispatch(Client* client);
    void serve(Client* client);
    bool wait_hot(Client* client);
    void park(Client* client);
    void release(Client* client);
    void drop(Client* client);
    void close_expired();
    void close_parked();
    void return_memory();

    Handler handler;
    ServerOptions options;
    os::Fd epoll, wake;
    std::thread hub;
    std::atomic<bool> stopping{false};
    std::atomic<size_t> hot{0};
    mutable std::mutex mutex;
    std::condition_variable all_idle;
    std::vector<std::unique_ptr<Listener>> listeners;
    std::unordered_set<Client*> clients;
    size_t running = 0;
    bool dispatched = false;     // since the last tick
    bool accept_paused = false;  // hub thread only
    int quiet_ticks = 1;         // hub thread only: seconds without a request, from the start or the last one on
    WorkerPool workers;          // last: its destructor waits for work that uses the others
};

Server::Server(Handler handler, ServerOptions options)
    : state_(std::make_unique<State>(std::move(handler), options)) {}

Server::~Server() {
    stop(0);
    std::unique_lock lock(state_->mutex);
    state_->all_idle.wait(lock, [this] { return state_->running == 0; });
}

Result<void> Server::add(Listener listener) {
    auto kept = std::make_unique<Listener>(std::move(listener));
    std::lock_guard lock(state_->mutex);
    if (state_->epoll) {
        epoll_event event{EPOLLIN, {.ptr = kept.get()}};
        event.data.u64 |= 1;  // both kinds of object are aligned: bit 0 marks a listener
        if (::epoll_ctl(state_->epoll.get(), EPOLL_CTL_ADD, kept->socket.get(), &event) < 0)
            return fail_errno("epoll_ctl", kept->name);
    }
    state_->listeners.push_back(std::move(kept));
    return {};
}

Result<void> Server::start() {
    auto& state = *state_;
    state.wake = TRY(os::make_eventfd());
    {
        std::lock_guard lock(state.mutex);
        state.epoll = os::Fd(::epoll_create1(EPOLL_CLOEXEC));
        if (!state.epoll) return fail_errno("epoll_create1");
        epoll_event event{EPOLLIN, {.u64 = 0}};
        if (::epoll_ctl(state.epoll.get(), EPOLL_CTL_ADD, state.wake.get(), &event) < 0) return fail_errno("epoll_ctl");
        for (auto& listener : state.listeners) {
            epoll_event accept_event{EPOLLIN, {.ptr = listener.get()}};
            accept_event.data.u64 |= 1;
            if (::epoll_ctl(state.epoll.get(), EPOLL_CTL_ADD, listener->socket.get(), &accept_event) < 0)
                return fail_errno("epoll_ctl", listener->name);
        }
    }
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    state.hub = std::thread([&state] { state.run_hub(); });
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return {};
}

bool Server::stop(int grace_ms) {
    auto& state = *state_;
    std::unique_lock lock(state.mutex);
    if (!state.stopping.exchange(true)) {
        lock.unlock();
        if (state.hub.joinable()) {
            os::signal_eventfd(state.wake.get());
            state.hub.join();
        }
        lock.lock();
        for (auto& listener : state.listeners) {
            if (!listener->unlink_path.empty()) (void)os::remove_file(listener->unlink_path);
            listener->socket.reset();
        }
    }
    auto idle = [&] { return state.running == 0; };
    state.all_idle.wait_for(lock, std::chrono::milliseconds(grace_ms), idle);
    for (auto* client : state.clients) ::shutdown(client->connection.fd(), SHUT_RDWR);
    return state.all_idle.wait_for(lock, std::chrono::milliseconds(kCutMs), idle);
}

Server::Counts Server::counts() const {
    std::lock_guard lock(state_->mutex);
    return {state_->clients.size(), state_->running, state_->workers.thread_count()};
}

void Server::State::run_hub() {
    epoll_event events[64];
    int64_t next_sweep = monotonic_nanoseconds();
    while (!stopping) {
        int ready = ::epoll_wait(epoll.get(), events, std::size(events), accept_paused ? kAcceptPauseMs : kTickMs);
        if (ready < 0 && errno != EINTR) {
            log::error(concat("epoll_wait failed, the API is deaf: ", errno_error("epoll_wait").message()));
            return;
        }
        if (accept_paused && ready <= 0) resume_accepting();
        for (int i = 0; i < ready && !stopping; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag == 0) continue;
            if (tag & 1) accept_from(*reinterpret_cast<Listener*>(tag & ~uint64_t{1}));
            else dispatch(reinterpret_cast<Client*>(tag));
        }
        if (int64_t now = monotonic_nanoseconds(); now >= next_sweep) {
            close_expired();
            return_memory();
            next_sweep = now + int64_t{kTickMs} * 1000000;
        }
    }
    close_parked();
}

Result<std::unique_ptr<Client>> Server::State::make_client(Listener& listener, os::Fd socket) {
    PeerKind peer;
    peer.unix_socket = listener.unix_socket;
    if (!listener.unix_socket) {
        int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        peer.address = remote_address_text(socket.get());
    }
    if (listener.tls) {
        peer.tls = true;
        socket = TRY(tls_accept(std::move(socket), *listener.tls));
    }
    auto client = std::make_unique<Client>(std::move(socket), std::move(peer), options.head_limit_bytes);
    client->connection.set_before_take([this, kept = client.get()] { release(kept); });
    client->deadline = seconds_from_now(options.first_head_timeout_seconds);
    return client;
}

void Server::State::accept_from(Listener& listener) {
    for (int round = 0; round < 16; round++) {
        if (connection_count() >= options.connections_max) return pause_accepting();
        auto socket = os::accept_connection(listener.socket.get(), false);
        if (!socket) {
            int number = socket.error().number();
            if (number == EAGAIN || number == ECONNABORTED) return;
            log::warn(concat("cannot accept on ", listener.name, ": ", socket.error().message()));
            return pause_accepting();
        }
        auto client = make_client(listener, std::move(*socket));
        if (!client) {
            log::warn(concat("connection on ", listener.name, ": ", client.error().message()));
            continue;
        }
        (*client)->parked = true;  // dispatch() takes it from there
        {
            std::lock_guard lock(mutex);
            clients.insert(client->get());
        }
        dispatch(client->release());
    }
}

size_t Server::State::connection_count() const {
    std::lock_guard lock(mutex);
    return clients.size();
}

void Server::State::pause_accepting() {
    accept_paused = true;
    std::lock_guard lock(mutex);
    for (auto& listener : listeners) {
        epoll_event event{0, {.ptr = listener.get()}};
        event.data.u64 |= 1;
        ::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, listener->socket.get(), &event);
    }
}

void Server::State::resume_accepting() {
    accept_paused = false;
    std::lock_guard lock(mutex);
    for (auto& listener : listeners) {
        epoll_event event{EPOLLIN, {.ptr = listener.get()}};
        event.data.u64 |= 1;
        ::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, listener->socket.get(), &event);
    }
}

void Server::State::dispatch(Client* client) {
    {
        std::lock_guard lock(mutex);
        if (!client->parked) return;
        client->parked = false;
        dispatched = true;
        running++;
    }
    workers.submit([this, client] { serve(client); });
}

/// The worker stays with the connection for a moment: a client that sends requests back to back then costs no hand-over.
bool Server::State::wait_hot(Client* client) {
    if (options.hot_wait_ms <= 0 || stopping) return false;
    if (hot.fetch_add(1) >= options.hot_connections_max) {
        hot.fetch_sub(1);
        return false;
    }
    auto ready = os::wait_readable(client->connection.fd(), options.hot_wait_ms);
    hot.fetch_sub(1);
    return ready && *ready;
}

void Server::State::serve(Client* client) {
    auto& connection = client->connection;
    for (;;) {
        switch (connection.advance_head()) {
            case Connection::Head::Closed: return drop(client);
            case Connection::Head::Refused:
                connection.send_refusal();
                return drop(client);
            case Connection::Head::Partial:
                if (wait_hot(client)) break;
                return park(client);
            case Connection::Head::Ready:
                if (!run_handler(connection, handler) || stopping) return drop(client);
                client->deadline = kNever;
                client->head_begun = false;
                break;
        }
    }
}

void Server::State::park(Client* client) {
    if (client->connection.has_partial_head() && !std::exchange(client->head_begun, true))
        client->deadline = seconds_from_now(options.head_timeout_seconds);
    {
        std::lock_guard lock(mutex);
        // Entered when first parked: an entry reports hang-ups from the start, even disarmed, while a worker owns the client.
        epoll_event event{EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, {.ptr = client}};
        int call = client->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        if (!stopping && ::epoll_ctl(epoll.get(), call, client->connection.fd(), &event) == 0) {
            client->watched = client->parked = true;
            if (--running == 0) all_idle.notify_all();
            return;
        }
    }
    drop(client);
}

/// The connection is being given away: neither the hub nor stop() may touch its descriptor from now on.
void Server::State::release(Client* client) {
    std::lock_guard lock(mutex);
    clients.erase(client);
    if (client->watched) ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, client->connection.fd(), nullptr);
}

void Server::State::drop(Client* client) {
    {
        std::lock_guard lock(mutex);
        clients.erase(client);
    }
    delete client;
    std::lock_guard lock(mutex);
    if (--running == 0) all_idle.notify_all();
}

void Server::State::close_expired() {
    int64_t now = monotonic_nanoseconds();
    std::vector<std::unique_ptr<Client>> expired;
    std::lock_guard lock(mutex);
    for (auto* client : clients)
        if (client->parked && client->deadline <= now) expired.emplace_back(client);
    for (auto& client : expired) clients.erase(client.get());
}

/// After a burst the allocator keeps what the burst took, and the program the pages that it ran through; a daemon that is idle should be
/// small again.
void Server::State::return_memory() {
    {
        std::lock_guard lock(mutex);
        if (std::exchange(dispatched, false) || running > 0) {
            quiet_ticks = 1;
            return;
        }
    }
    if (quiet_ticks == 0 || ++quiet_ticks <= kQuietTicks) return;
    quiet_ticks = 0;  // once for each burst
    ::malloc_trim(0);
    os::release_program_pages();
}

void Server::State::close_parked() {
    std::vector<std::unique_ptr<Client>> idle;
    std::lock_guard lock(mutex);
    for (auto* client : clients)
        if (client->parked) idle.emplace_back(client);
    for (auto& client : idle) clients.erase(client.get());
}

}  // namespace proa::http
