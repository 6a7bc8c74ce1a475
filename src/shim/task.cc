#include "shim/task.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/process.h"
#include "shim/page_buffer.h"

namespace proa::shim {

namespace {
constexpr size_t kReadBytes = 256 * 1024;
constexpr int kLargePipe = 1024 * 1024;
constexpr size_t kDefaultPipe = 64 * 1024;

// Waking up for every short line of a fast writer costs it and us more than the lines: after so many small reads, each so soon
// after the one before, let the pipe fill for a millisecond between reads, as long as that brings enough.
constexpr size_t kSmallRead = 32 * 1024;
constexpr int64_t kQuickGap = 100'000;
constexpr int kQuickReads = 32;
constexpr int64_t kPause = 1'000'000;
constexpr size_t kPauseWorth = 1024;       // less than that after a pause: the writer is not fast any more
constexpr size_t kPauseTooLong = 128 * 1024;  // more: it could do with shorter ones
constexpr size_t kLargeRead = 16 * 1024;
bool g_large_read = false;

PageBuffer& output_buffer() {
    static PageBuffer buffer(kReadBytes);
    return buffer;
}
}  // namespace

bool output_buffer_used() { return g_large_read; }

void release_output_buffer() {
    output_buffer().release();
    g_large_read = false;
}

Task::Task(os::Epoll& epoll, TaskOwner& owner, TaskSettings settings, LogWriter* log)
    : epoll_(epoll), owner_(owner), settings_(std::move(settings)), log_(log) {}

Result<runtime::Streams> Task::open_streams() {
    runtime::Streams streams;
    streams.die_with_parent = true;  // nobody else holds its streams or can tell how it ended
    if (settings_.terminal || !settings_.use_streams) return streams;
    os::Pipe out = TRY(os::make_pipe()), err = TRY(os::make_pipe());
    if (settings_.open_stdin) {
        os::Pipe in = TRY(os::make_pipe());
        child_in_ = std::move(in.read_end);
        stdin_ = std::move(in.write_end);
        TRY(os::set_nonblocking(stdin_.get(), true));
    }
    child_out_ = std::move(out.write_end);
    stdout_ = std::move(out.read_end);
    child_err_ = std::move(err.write_end);
    stderr_ = std::move(err.read_end);
    streams.stdin_fd = child_in_.get();
    streams.stdout_fd = child_out_.get();
    streams.stderr_fd = child_err_.get();
    return streams;
}

void Task::started(runtime::Init init) {
    pid_ = init.pid;
    pidfd_ = std::move(init.pidfd);
    console_ = std::move(init.console);
    child_in_.reset();
    child_out_.reset();
    child_err_.reset();
    if (console_) {
        watch_output(out_, console_.get());
    } else if (stdout_) {
        watch_output(out_, stdout_.get());
        watch_output(err_, stderr_.get());
    }
    for (auto& attachment : attachments_) attachment->start();
    if (close_input_) flush_input();
}

void Task::watch_output(Output& output, int fd) {
    output.fd = fd;
    if (!os::set_nonblocking(fd, true) || !output.interest.want(fd, EPOLLIN)) close_output(output);
}

Result<void> Task::attach(const Attach& settings, os::Fd stream) {
    if (has_ended_) return fail(ErrorKind::Conflict, "the process has ended");
    if (!settings_.terminal && !settings_.use_streams)
        return fail(ErrorKind::Conflict, "the process was started detached and has no streams");
    Attach effective = settings;
    effective.use_stdin = settings.use_stdin && settings_.open_stdin;
    attachments_.push_back(std::make_unique<Attachment>(epoll_, *this, effective, std::move(stream)));
    if (pid_ > 0) attachments_.back()->start();
    return {};
}

Result<void> Task::close_stdin() {
    if (settings_.terminal) return fail(ErrorKind::Conflict, "the input of a terminal cannot be closed");
    if (!settings_.open_stdin) return fail(ErrorKind::Conflict, "the process has no standard input to close");
    close_input_ = true;
    if (pid_ > 0) flush_input();
    return {};
}

Result<void> Task::resize(os::WindowSize size) {
    if (!running()) return fail(ErrorKind::Conflict, "the process is not running");
    if (!console_) return {};  // as Docker: no terminal, nothing to do, no error
    return os::set_window_size(console_.get(), size);
}

Result<void> Task::signal(int number) {
    if (!running()) return fail(ErrorKind::NotFound, "the process has ended");
    return os::send_signal(pidfd_.get(), number);
}

void Task::ended(int exit_code, Time when) {
    has_ended_ = true;
    exit_code_ = exit_code;
    end_time_ = when;
    drop_input();
    // A pipe holds at most 1 MiB: so much may go beyond the clients' bounds for the sake of a prompt exit.
    for (Output* output : {&out_, &err_})
        for (int turns = 0; output->fd >= 0 && turns < 4096 && read_output(*output, true); turns++) {
        }
    update_outputs();
}

bool Task::output_ended() const { return out_.fd < 0 && err_.fd < 0; }

void Task::stop_output() {
    if (out_.fd >= 0) close_output(out_);
    if (err_.fd >= 0) close_output(err_);
}

/// One read; false when there is nothing to read now. `forced` also reads past a full client.
bool Task::read_output(Output& output, bool forced) {
    if (!forced && output_blocked()) {
        update_outputs();
        return false;
    }
    PageBuffer& buffer = output_buffer();
    auto got = os::read_some(output.fd, std::span(buffer.data(), buffer.size()));
    if (!got && got.error().number() == EAGAIN) return false;
    if (!got || *got == 0) {  // EIO: the last process closed the terminal
        close_output(output);
        return false;
    }
    if (*got >= kDefaultPipe && !output.is_large) {
        output.is_large = true;
        ::fcntl(output.fd, F_SETPIPE_SZ, kLargePipe);  // refused: the small one works too
    }
    if (*got > kLargeRead) g_large_read = true;
    deliver(output.stream, {buffer.data(), *got});
    if (!forced) pause_for_quick_writer(output, *got);
    return true;
}

void Task::pause_for_quick_writer(Output& output, size_t got) {
    const int64_t now = monotonic_nanoseconds();
    const bool is_pausing = output.quick_reads >= kQuickReads;
    const bool is_quick = is_pausing ? got >= kPauseWorth && got < (output.is_large ? kPauseTooLong : kSmallRead)
                                     : got < kSmallRead && now - output.last_read < kQuickGap;
    output.quick_reads = is_quick ? output.quick_reads + 1 : 0;
    output.last_read = now;
    if (output.quick_reads < kQuickReads || output.fd < 0) return;
    output.resume_at = now + kPause;
    output.interest.leave();
}

void Task::deliver(OutputStream stream, std::string_view bytes) {
    if (log_) log_->append(stream, bytes, now());
    for (size_t i = 0; i < attachments_.size(); i++) attachments_[i]->send(stream, bytes);
    if (output_blocked()) update_outputs();
}

void Task::close_output(Output& output) {
    output.interest.leave();
    output.fd = -1;
    output.resume_at = 0;
    if (log_) log_->finish(output.stream, now());
    if (&output == &err_) stderr_.reset();
    if (&output == &out_) stdout_.reset();
    // The terminal's master stays: closing it would hang the process up.
}

bool Task::output_blocked() const {
    if (log_ && log_->blocked()) return true;
    return std::any_of(attachments_.begin(), attachments_.end(), [](auto& client) { return client->open() && client->full(); });
}

void Task::update_outputs() {
    const uint32_t wanted = output_blocked() ? 0u : uint32_t{EPOLLIN};
    for (Output* output : {&out_, &err_})
        if (output->fd >= 0 && output->resume_at == 0 && !output->interest.want(output->fd, wanted)) close_output(*output);
}

bool Task::accepts_input() const { return input_.empty(); }

void Task::take_input(std::string_view bytes) {
    const int target = settings_.terminal ? console_.get() : stdin_.get();
    if (target < 0 || has_ended_ || close_input_) return;  // nobody reads: Docker drops it too
    if (input_.empty()) {
        auto put = os::write_some(target, bytes);
        if (put) bytes.remove_prefix(*put);
        if (!put && put.error().number() != EAGAIN) return drop_input();
    }
    if (bytes.empty()) return;
    input_.append(bytes);
    if (!input_interest_.want(target, EPOLLOUT)) return drop_input();
    update_clients();
}

void Task::on_input_room(uint32_t) { flush_input(); }

void Task::flush_input() {
    const int target = settings_.terminal ? console_.get() : stdin_.get();
    while (input_begin_ < input_.size()) {
        auto put = os::write_some(target, std::string_view(input_).substr(input_begin_));
        if (!put && put.error().number() == EAGAIN) return;
        if (!put) return drop_input();
        input_begin_ += *put;
    }
    input_interest_.leave();
    input_ = {};
    input_begin_ = 0;
    if (close_input_) stdin_.reset();
    update_clients();
}

/// The process closed its input or ended.
void Task::drop_input() {
    input_interest_.leave();
    input_ = {};
    input_begin_ = 0;
    stdin_.reset();
    update_clients();
}

void Task::update_clients() {
    for (size_t i = 0; i < attachments_.size(); i++) attachments_[i]->update_interest();
}

void Task::input_ended(Attachment& attachment) {
    if (settings_.terminal || !settings_.close_stdin_with_client) return attachment.finish();
    close_input_ = true;
    flush_input();
}

void Task::detached(Attachment& attachment) { owner_.client_detached(*this, attachment.id()); }

void Task::finish_clients(bool released) {
    for (auto& attachment : attachments_)
        if (released || !attachment->hold_close()) attachment->finish();
}

void Task::abandon_clients() {
    for (auto& attachment : attachments_) attachment->abandon();
    attachments_.clear();
}

void Task::sweep(int64_t now) {
    for (auto& attachment : attachments_) attachment->on_deadline(now);
    std::erase_if(attachments_, [](auto& attachment) { return attachment->closed(); });
    for (Output* output : {&out_, &err_}) {
        if (output->resume_at == 0 || now < output->resume_at) continue;
        output->resume_at = 0;
        if (output->fd >= 0) read_output(*output, false);
        update_outputs();
    }
}

int64_t Task::next_deadline() const {
    int64_t earliest = 0;
    auto consider = [&](int64_t deadline) {
        if (deadline != 0 && (earliest == 0 || deadline < earliest)) earliest = deadline;
    };
    for (auto& attachment : attachments_) consider(attachment->deadline());
    consider(out_.resume_at);
    consider(err_.resume_at);
    return earliest;
}

}  // namespace proa::shim
