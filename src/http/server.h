#pragma once
#include <memory>
#include <vector>

#include "http/exchange.h"
#include "http/listener.h"
#include "http/worker_pool.h"

namespace proa::http {

struct ServerOptions {
    WorkerLimits workers;
    size_t head_limit_bytes = (1 << 20) + 4096;  ///< Go's default; build arguments travel in the request line
    int head_timeout_seconds = 60;     ///< from the first byte of a head to its last
    int first_head_timeout_seconds = 300;  ///< from the connection to its first byte
    int hot_wait_ms = 20;              ///< a worker keeps a connection so long for its next request
    size_t hot_connections_max = 64;   ///< at most so many workers wait like that
    size_t connections_max = 16384;
};

/// An HTTP/1 server: one hub thread waits on listeners and idle connections, workers answer requests with blocking calls.
class Server {
public:
    Server(Handler handler, ServerOptions options = {});
    ~Server();  ///< stop(0), then waits for every handler

    /// Before or after start().
    Result<void> add(Listener listener);
    /// Begins to accept. Internal when the kernel has no epoll instance or thread for us.
    Result<void> start();
    /// Accepts no more, removes own socket files, closes idle connections, lets running requests end for `grace_ms`, then
    /// cuts their connections. True when no handler is left. Safe to call again.
    bool stop(int grace_ms);

    struct Counts {
        size_t connections, running, threads;
    };
    Counts counts() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace proa::http
