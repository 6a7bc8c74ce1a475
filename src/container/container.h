#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "container/record.h"
#include "os/fd.h"

namespace proa::container {

enum class WaitCondition { NotRunning, NextExit, Removed };

struct WaitResult {
    int64_t exit_code = 0;
    std::string error;  ///< why the container could not be started or removed; "" when all is well
};

/// One waiting client: `ready_fd` becomes readable when the condition has come true.
class Waiter {
public:
    int ready_fd() const { return ready_.get(); }
    std::optional<WaitResult> result() const;

private:
    friend class Container;
    WaitCondition condition_ = WaitCondition::NotRunning;
    os::Fd ready_;
    mutable std::mutex mutex_;
    std::optional<WaitResult> result_;
    void finish(WaitResult result);
};

/// A client stream that asked to be attached before the container runs.
struct PendingAttach {
    os::Fd stream;
    uint64_t attach_id = 0;
    bool use_stdin = false, use_stdout = false, use_stderr = false, framed = true;
    std::string detach_keys, early_bytes;
};

/// One container in memory: its record behind a lock, its waiters and what hangs on it until it starts. Thread-safe.
class Container {
public:
    explicit Container(Record record) : id_(record.id), record_(std::move(record)) {}

    const std::string& id() const { return id_; }
    /// Runs `use` with the record locked; it must not block.
    template <class F>
    auto read(F use) const {
        std::lock_guard lock(mutex_);
        return use(record_);
    }
    template <class F>
    auto change(F use) {
        std::lock_guard lock(mutex_);
        rendering_.reset();
        return use(record_);
    }
    /// Appends what `render(record)` returns to `out`, or what it returned before: until the record changes, a text with the same
    /// `purpose` is made once. Of several purposes only the last is kept. `render` must not block.
    template <class F>
    void append_rendering(std::string& out, std::string_view purpose, F render) const {
        std::lock_guard lock(mutex_);
        if (!rendering_ || rendering_->purpose != purpose) rendering_ = std::make_unique<Rendering>(std::string(purpose), render(record_));
        out += rendering_->text;
    }
    Record record() const {
        return read([](const Record& record) { return record; });
    }
    std::string name() const {
        return read([](const Record& record) { return record.name; });
    }
    docker::ContainerState state() const {
        return read([](const Record& record) { return record.state; });
    }

    /// Held by start, restart, remove, pause, rename and update: one such operation at a time.
    std::timed_mutex& operation() { return operation_; }

    /// NotRunning answers at once for a container that does not run (and is not about to restart).
    Result<std::shared_ptr<Waiter>> wait_for(WaitCondition condition);
    /// Wakes NotRunning and NextExit waiters. Every call is one exit.
    void notify_exited(int64_t exit_code);
    /// Wakes everybody that still waits.
    void notify_removed(int64_t exit_code, std::string error);
    size_t waiter_count() const;

    /// Numbers the runs of this container since the daemon began: the end of an earlier run is told from that of the current one.
    uint64_t begin_run() { return ++run_; }
    uint64_t current_run() const { return run_; }

    void add_pending_attach(PendingAttach attach);
    std::vector<PendingAttach> take_pending_attaches();

private:
    struct Rendering {
        std::string purpose, text;
        Rendering(std::string purpose, std::string text) : purpose(std::move(purpose)), text(std::move(text)) {}
    };
    const std::string id_;
    mutable std::mutex mutex_;
    mutable std::unique_ptr<Rendering> rendering_;
    std::timed_mutex operation_;
    std::atomic<uint64_t> run_{0};
    Record record_;
    std::vector<std::shared_ptr<Waiter>> waiters_;
    std::vector<PendingAttach> pending_attaches_;
};

using ContainerPointer = std::shared_ptr<Container>;

/// All containers by id and name. Thread-safe.
class Table {
public:
    /// By full id, name (with or without a slash) or a unique id prefix.
    /// Errors: NotFound "No such container: X"; InvalidArgument for a prefix of several.
    Result<ContainerPointer> find(std::string_view reference) const;
    std::vector<ContainerPointer> all() const;  ///< newest first
    /// Errors: Conflict, in Docker's words, when the name is taken.
    Result<void> add(ContainerPointer container);
    /// Gives `container` another name. Errors as add().
    Result<void> rename(const ContainerPointer& container, const std::string& name);
    /// True when no container has the name.
    bool is_free(const std::string& name) const;
    void remove(const Container& container);
    size_t size() const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, ContainerPointer, std::less<>> by_id_;
    std::map<std::string, ContainerPointer, std::less<>> by_name_;
    Result<void> check_free(const std::string& name) const;
};

}  // namespace proa::container
