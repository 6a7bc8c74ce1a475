#pragma once
#include <memory>
#include <mutex>

#include "container/record.h"

namespace proa::container {

/// One exec of a container, kept in memory: it dies with the daemon's knowledge, as in Docker. Thread-safe.
class Exec {
public:
    Exec(std::string id, std::string container_id, docker::ExecConfig config)
        : id_(std::move(id)), container_id_(std::move(container_id)), config_(std::move(config)) {}

    const std::string& id() const { return id_; }
    const std::string& container_id() const { return container_id_; }
    const docker::ExecConfig& config() const { return config_; }

    /// Claims the right to start it. Errors: Conflict when it runs or has run.
    Result<void> begin();
    void started(int64_t pid);
    void finished(int64_t exit_code);
    bool running() const;
    /// Begun, and its end is not known yet: it may have ended before its start was recorded.
    bool unfinished() const;
    std::optional<int64_t> exit_code() const;
    /// CLOCK_MONOTONIC nanoseconds of the end; 0 while it has not ended.
    int64_t finished_at() const;
    docker::ExecInspect inspect() const;

private:
    const std::string id_, container_id_;
    const docker::ExecConfig config_;
    mutable std::mutex mutex_;
    bool begun_ = false, running_ = false;
    int64_t pid_ = 0, finished_at_ = 0;
    std::optional<int64_t> exit_code_;
};

using ExecPointer = std::shared_ptr<Exec>;

/// All execs by id. Ended ones stay readable for five minutes. Thread-safe.
class ExecTable {
public:
    void add(ExecPointer exec);
    /// Errors: NotFound "No such exec instance: X".
    Result<ExecPointer> find(std::string_view id) const;
    void remove(const std::string& id);
    /// Ids of the container's execs that have not ended.
    std::vector<std::string> running_in(const std::string& container_id) const;
    void remove_container(const std::string& container_id);
    /// The container's end is the end of all its execs.
    void finish_container(const std::string& container_id, int64_t exit_code);

private:
    mutable std::mutex mutex_;
    std::map<std::string, ExecPointer, std::less<>> by_id_;
    void collect_garbage();
};

}  // namespace proa::container
