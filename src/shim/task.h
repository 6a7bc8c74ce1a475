#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "os/epoll.h"
#include "os/fd.h"
#include "os/pty.h"
#include "runtime/launch.h"
#include "shim/attachment.h"
#include "shim/log_writer.h"

namespace proa::shim {

class Task;

class TaskOwner {
public:
    virtual void client_detached(Task& task, uint64_t attach_id) = 0;

protected:
    ~TaskOwner() = default;
};

struct TaskSettings {
    std::string exec_id;  ///< empty: the container itself
    bool terminal = false, open_stdin = false;
    bool close_stdin_with_client = false;  ///< stdin_once, and every exec
    bool use_streams = true;               ///< false: stdin, stdout and stderr are /dev/null (a detached exec without a terminal)
};

/// One process of the container (its init or an exec) with its streams: output goes to the log and to every attachment, input
/// comes from the attachments. Output is not read while a client's buffer is full or the log cannot rotate.
class Task final : public AttachmentOwner {
public:
    /// `log` (may be null) is borrowed for the task's life.
    Task(os::Epoll& epoll, TaskOwner& owner, TaskSettings settings, LogWriter* log);

    /// Makes the pipes. The streams' descriptors are valid until started().
    Result<runtime::Streams> open_streams();
    /// The process runs: its ends of the pipes are closed here and the attachments come alive.
    void started(runtime::Init init);

    /// Takes a client's stream; may come before started(). Errors: Conflict when the process has ended or has no streams.
    Result<void> attach(const Attach& settings, os::Fd stream);
    /// Errors: Conflict when the process has a terminal or no stdin of its own.
    Result<void> close_stdin();
    Result<void> resize(os::WindowSize size);
    Result<void> signal(int number);

    /// The process was reaped: takes what its streams still hold, regardless of slow clients.
    void ended(int exit_code, Time when);
    bool output_ended() const;
    /// Gives up on output that others still hold open; the log gets its last line.
    void stop_output();
    /// Lets the clients go once their buffers are flushed; `released` also those that wait for the engine's Release.
    void finish_clients(bool released);
    void abandon_clients();
    /// Drops closed attachments and fires deadlines; call after every batch of events.
    void sweep(int64_t now);
    int64_t next_deadline() const;  ///< 0: none
    bool has_clients() const { return !attachments_.empty(); }
    void log_unblocked() { update_outputs(); }

    const std::string& exec_id() const { return settings_.exec_id; }
    pid_t pid() const { return pid_; }
    bool running() const { return pid_ > 0 && !has_ended_; }
    bool has_ended() const { return has_ended_; }
    int exit_code() const { return exit_code_; }
    Time end_time() const { return end_time_; }

    bool accepts_input() const override;
    void take_input(std::string_view bytes) override;
    void input_ended(Attachment& attachment) override;
    void detached(Attachment& attachment) override;
    void room_changed() override { update_outputs(); }

private:
    struct Output final : os::EpollHandler {
        Output(os::Epoll& epoll, Task& owner, OutputStream which) : task(owner), stream(which), interest(epoll, *this) {}
        void on_ready(uint32_t) override { task.read_output(*this, false); }
        Task& task;
        OutputStream stream;
        int fd = -1;
        bool is_large = false;
        int64_t last_read = 0;   ///< monotonic nanoseconds
        int64_t resume_at = 0;   ///< a fast writer of small pieces is left alone until then
        int quick_reads = 0;     ///< small reads in close succession
        os::EpollInterest interest;
    };

    void watch_output(Output& output, int fd);
    bool read_output(Output& output, bool forced);
    void deliver(OutputStream stream, std::string_view bytes);
    void close_output(Output& output);
    void update_outputs();
    void update_clients();
    void on_input_room(uint32_t events);
    void flush_input();
    void drop_input();
    bool output_blocked() const;
    void pause_for_quick_writer(Output& output, size_t got);

    os::Epoll& epoll_;
    TaskOwner& owner_;
    TaskSettings settings_;
    LogWriter* log_;
    os::Fd child_in_, child_out_, child_err_;
    os::Fd pidfd_, console_, stdin_, stdout_, stderr_;
    pid_t pid_ = -1;
    Output out_{epoll_, *this, OutputStream::Stdout}, err_{epoll_, *this, OutputStream::Stderr};
    os::EpollMember<Task, &Task::on_input_room> input_handler_{this};
    os::EpollInterest input_interest_{epoll_, input_handler_};
    std::string input_;  ///< taken from clients, not yet by the process
    size_t input_begin_ = 0;
    bool close_input_ = false;  ///< once input_ is written
    std::vector<std::unique_ptr<Attachment>> attachments_;
    bool has_ended_ = false;
    int exit_code_ = 0;
    Time end_time_;
};

/// Output passes through one buffer that all tasks share. Whether it holds more than a few pages, and giving them back.
bool output_buffer_used();
void release_output_buffer();

}  // namespace proa::shim
