#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "os/epoll.h"
#include "os/fd.h"
#include "shim/detach_keys.h"
#include "shim/log_writer.h"
#include "shim/protocol.h"

namespace proa::shim {

class Attachment;

/// What an attachment tells the process it belongs to.
class AttachmentOwner {
public:
    virtual bool accepts_input() const = 0;  ///< false: the process has not taken what it was given; do not read more
    virtual void take_input(std::string_view bytes) = 0;
    virtual void input_ended(Attachment& attachment) = 0;
    virtual void detached(Attachment& attachment) = 0;
    virtual void room_changed() = 0;  ///< full() may have changed

protected:
    ~AttachmentOwner() = default;
};

/// One client's stream: output to it goes through a bounded buffer, input from it to the process. Its life:
/// Open -> (finish) Flushing -> Lingering until the client closes too -> Closed; a client that goes away is Closed at once.
class Attachment final : public os::EpollHandler {
public:
    Attachment(os::Epoll& epoll, AttachmentOwner& owner, const Attach& settings, os::Fd stream);

    /// Begins to read and write.
    void start();
    /// Queues process output in frames or raw, as the client asked; ignored for a stream that the client does not use.
    void send(OutputStream stream, std::string_view bytes);
    bool full() const { return pending_.size() - pending_begin_ >= kBufferBytes; }
    /// No more output comes: flush, half-close, wait a moment for the client's own close.
    void finish();
    /// Gives the descriptor up without shutting the connection down (the engine still answers on it).
    void abandon();
    void update_interest();

    void on_ready(uint32_t events) override;
    bool closed() const { return state_ == State::Closed; }
    bool open() const { return state_ == State::Open; }
    bool hold_close() const { return hold_close_; }
    uint64_t id() const { return id_; }
    /// When on_deadline() must be called (monotonic nanoseconds); 0: never.
    int64_t deadline() const { return deadline_; }
    void on_deadline(int64_t now);

private:
    enum class State : uint8_t { Open, Flushing, Lingering, Closed };
    static constexpr size_t kBufferBytes = 1024 * 1024;

    void send_piece(uint8_t stream, std::string_view bytes);
    void flush();
    void read_input();
    void read_farewell();
    void pass_input(std::string_view bytes);
    void end_input();
    void begin_linger();
    void close();

    AttachmentOwner& owner_;
    os::Fd stream_;
    os::EpollInterest interest_;
    uint64_t id_;
    DetachKeys detach_keys_;
    std::string early_bytes_;
    std::string pending_;
    size_t pending_begin_ = 0;
    int64_t deadline_ = 0;
    State state_ = State::Open;
    bool use_stdin_, use_stdout_, use_stderr_, framed_, hold_close_;
    bool was_full_ = false, started_ = false;
};

}  // namespace proa::shim
