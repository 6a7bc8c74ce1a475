#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/remote_log.h"

namespace proa::engine {

struct Parts;

/// Sends the logs of containers whose driver sends away, from the files that the shims write, a thread each. How far it got stands in the
/// container's directory, so a new daemon goes on there: what was logged meanwhile is sent then. While a server does not answer the
/// files keep what they can (`cache-max-size` times `cache-max-file`). Thread-safe.
class LogForwarder {
public:
    ~LogForwarder() { stop(); }
    /// Before a start: connects, so that a server that is not there fails the start as in Docker.
    /// Errors: "failed to initialize logging driver: ...".
    Result<std::unique_ptr<RemoteLog>> connect(const container::Record& record) const;
    /// The container runs (again). Without `remote` the thread connects by itself. It ends when the log is sent and the container has ended.
    void begin(const Parts& parts, const container::Record& record, std::unique_ptr<RemoteLog> remote);
    /// The container has ended: the rest is sent, then the thread ends. At most some seconds are spent on a server that does not answer.
    void finish(const std::string& container_id);
    void stop();

private:
    struct Forward {
        std::thread thread;
        os::Fd ending;  ///< readable: send the rest and end
        std::shared_ptr<std::atomic<bool>> abandoned = std::make_shared<std::atomic<bool>>(false), done = std::make_shared<std::atomic<bool>>(false);
    };
    void join_finished();

    std::mutex mutex_;
    std::multimap<std::string, Forward> forwards_;
};

}  // namespace proa::engine
