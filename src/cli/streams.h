#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <termios.h>

#include "client/client.h"

// The attached side of run, start -a, attach and exec: one loop over the terminal, the signals and the container's stream.
namespace proa::cli {

/// The bytes of "ctrl-p,ctrl-q" style key sequences. Errors: InvalidArgument `unknown character: '...'`.
Result<std::string> parse_detach_keys(std::string_view text);

/// Puts a terminal into raw mode and back on destruction; does nothing for what is no terminal.
class RawTerminal {
public:
    explicit RawTerminal(int fd);
    ~RawTerminal() { restore(); }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    void restore();

private:
    int fd_ = -1;
    termios saved_{};
};

/// Finds a key sequence in what the user types. Keys of a partial match are held back until it completes or fails.
class DetachDetector {
public:
    explicit DetachDetector(std::string keys) : keys_(std::move(keys)) {}
    /// Appends to `out` what may be forwarded; true when the sequence is complete.
    bool feed(std::string_view typed, std::string& out);

private:
    std::string keys_;
    size_t matched_ = 0;
};

struct StreamOptions {
    bool tty = false;          ///< the container's side has a terminal: raw bytes both ways
    bool multiplexed = true;   ///< output comes in frames
    bool input = false, output = true, error_output = true;
    std::string detach_keys;   ///< bytes; only used with tty and input
    std::function<void()> resize;           ///< tty: called on SIGWINCH and a few times after the start
    std::function<void(int)> signal;        ///< non-tty: a signal to hand on; empty when signals are not proxied
    int wait_fd = -1;          ///< readable when the container's end is known; ends the loop only after the output's end
};
enum class StreamEnd { Finished, Detached, InputClosed, Interrupted };
struct StreamResult {
    StreamEnd end = StreamEnd::Finished;
    int signal = 0;  ///< Interrupted: by which
};

/// Blocks the signals that a session handles; call before the container starts so that none is lost.
class SignalWatch {
public:
    /// With `proxy` all signals that can be handed on are taken, else only SIGWINCH (and SIGINT, SIGTERM when `interruptible`).
    explicit SignalWatch(bool proxy, bool interruptible);
    ~SignalWatch();
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;
    int fd() const { return fd_.get(); }
    std::optional<int> next();

private:
    os::Fd fd_;
    sigset_t old_{};
};

/// Copies between the standard streams and `raw` until the output ends (or the input when no output is wanted) or the
/// user detaches. The terminal must already be raw.
Result<StreamResult> copy_streams(client::RawStream& raw, const StreamOptions& options, SignalWatch& signals);

/// Splits stdcopy frames: eight bytes of head, then the payload for standard output (1) or error (2).
class FrameReader {
public:
    /// Calls `sink(stream, bytes)` for payload as it comes. Errors: Internal `Unrecognized input header: N`, daemon texts on stream 3.
    template <class Sink>
    Result<void> feed(std::string_view data, Sink sink) {
        while (!data.empty()) {
            if (left_ == 0) {
                size_t take = std::min(data.size(), 8 - head_.size());
                head_.append(data.substr(0, take));
                data.remove_prefix(take);
                if (head_.size() < 8) return {};
                TRY(start_frame());
                continue;
            }
            size_t take = std::min<size_t>(data.size(), left_);
            if (stream_ == 3) system_error_.append(data.substr(0, take));
            else sink(stream_, data.substr(0, take));
            data.remove_prefix(take);
            left_ -= take;
            if (left_ == 0 && stream_ == 3) return fail(ErrorKind::Internal, "error from daemon in stream: " + system_error_);
        }
        return {};
    }

private:
    Result<void> start_frame();
    std::string head_, system_error_;
    int stream_ = 1;
    size_t left_ = 0;
};

/// The name the API takes for a signal number: "TERM"; numbers above the named ones as digits.
std::string signal_name(int number);

}  // namespace proa::cli
