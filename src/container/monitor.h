#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/time.h"
#include "os/fd.h"
#include "shim/client.h"

namespace proa::container {

/// One end of a container's init.
struct ContainerExit {
    uint64_t run = 0;  ///< which run of the container ended (Monitor::watch)
    int64_t exit_code = 0;
    bool out_of_memory = false;
    bool shim_lost = false;  ///< the shim died first and took the container with it
    Time finished;
    int32_t shim_pid = 0;    ///< of a shim that is our child, else 0
    std::shared_ptr<shim::Connection> shim;  ///< to release when the end is recorded; empty when the shim is gone
};

/// Learns what the shims report. Called on the monitor's thread: must not block.
class MonitorSink {
public:
    virtual void container_exited(const std::string& container_id, ContainerExit exit) = 0;
    virtual void exec_exited(const std::string& container_id, const std::string& exec_id, int64_t exit_code) = 0;
    virtual void detached(const std::string& container_id, const std::string& exec_id) = 0;
    virtual void out_of_memory(const std::string& container_id) = 0;

protected:
    ~MonitorSink() = default;
};

/// Watches the connections to all running shims on one thread.
class Monitor {
public:
    static Result<std::unique_ptr<Monitor>> start(MonitorSink& sink);
    ~Monitor();

    /// Takes a subscribed connection. `run` is given back with the end. A container that was watched before is replaced.
    Result<void> watch(const std::string& container_id, uint64_t run, const std::string& state_directory,
                       std::shared_ptr<shim::Connection> connection, int32_t shim_pid);
    /// Returns once everything that the shims had reported before the call was handed to the sink.
    void flush();
    size_t size() const;

private:
    struct Watched;
    explicit Monitor(MonitorSink& sink) : sink_(sink) {}
    void run();
    void drain(const std::shared_ptr<Watched>& watched);
    void finish(const std::shared_ptr<Watched>& watched, ContainerExit exit);

    MonitorSink& sink_;
    mutable std::mutex mutex_;
    std::condition_variable flushed_;
    std::map<std::string, std::shared_ptr<Watched>> watched_;
    std::map<uint64_t, std::shared_ptr<Watched>> by_token_;
    uint64_t next_token_ = 1, flush_wanted_ = 0, flush_done_ = 0;
    bool stopping_ = false;
    os::Fd epoll_, wake_;
    std::thread thread_;
};

}  // namespace proa::container
