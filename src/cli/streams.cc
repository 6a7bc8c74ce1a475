#include "cli/streams.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "os/socket.h"

namespace proa::cli {

namespace {
constexpr size_t kBuffer = 64 << 10;
constexpr int kFirstResizes = 10;          // the container's terminal may not exist yet when the first one arrives
constexpr int kFirstResizeStep_ms = 10;

Result<char> detach_byte(std::string_view name) {
    if (name.size() == 1) return name[0];
    if (name.starts_with("ctrl-") && name.size() == 6) {
        char c = name[5];
        if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
        size_t special = std::string_view("@[\\]^_").find(c);
        static constexpr char kCodes[] = {0, 27, 28, 29, 30, 31};
        if (special != std::string_view::npos) return kCodes[special];
    }
    return fail(ErrorKind::InvalidArgument, concat("Unknown character: '", name, "'"));
}
}  // namespace

Result<std::string> parse_detach_keys(std::string_view text) {
    std::string keys;
    for (auto& name : split(text, ',')) keys.push_back(TRY(detach_byte(name)));
    return keys;
}

RawTerminal::RawTerminal(int fd) {
    if (::tcgetattr(fd, &saved_) < 0) return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (::tcsetattr(fd, TCSANOW, &raw) == 0) fd_ = fd;
}

void RawTerminal::restore() {
    if (fd_ >= 0) ::tcsetattr(fd_, TCSANOW, &saved_);
    fd_ = -1;
}

bool DetachDetector::feed(std::string_view typed, std::string& out) {
    if (keys_.empty()) {
        out.append(typed);
        return false;
    }
    for (char c : typed) {
        if (c == keys_[matched_]) {
            if (++matched_ == keys_.size()) return true;
            continue;
        }
        out.append(keys_, 0, matched_);
        matched_ = c == keys_[0] ? 1 : 0;
        if (matched_ == keys_.size()) return true;
        if (matched_ == 0) out.push_back(c);
    }
    return false;
}

std::string signal_name(int number) {
    if (const char* name = ::sigabbrev_np(number)) return name;
    return concat(number);
}

SignalWatch::SignalWatch(bool proxy, bool interruptible) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    if (proxy) {
        sigfillset(&set);
        for (int number : {SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU})
            sigdelset(&set, number);
    } else if (interruptible) {
        for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, number);
    }
    ::sigprocmask(SIG_BLOCK, &set, &old_);
    fd_ = os::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalWatch::~SignalWatch() {
    while (next()) {}  // what came too late must not end us now
    ::sigprocmask(SIG_SETMASK, &old_, nullptr);
}

std::optional<int> SignalWatch::next() {
    signalfd_siginfo info;
    ssize_t got = ::read(fd_.get(), &info, sizeof info);
    if (got != static_cast<ssize_t>(sizeof info)) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

Result<void> FrameReader::start_frame() {
    auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(head_[i])); };
    stream_ = static_cast<int>(byte(0));
    left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    if (stream_ > 3) return fail(ErrorKind::Internal, concat("Unrecognized input header: ", stream_));
    if (stream_ == 0) stream_ = 1;
    head_.clear();
    return {};
}

namespace {
/// One run of copy_streams.
class Copier {
public:
    Copier(client::RawStream& raw, const StreamOptions& options, SignalWatch& signals)
        : raw_(raw), options_(options), signals_(signals), detector_(options.tty && options.input ? options.detach_keys : "") {}

    Result<StreamResult> run() {
        bool any_output = options_.output || options_.error_output;
        input_open_ = options_.input;
        if (!input_open_ && !any_output) return StreamResult{};
        if (!input_open_) ::shutdown(raw_.socket.get(), SHUT_WR);
        if (!raw_.early.empty()) TRY(show(raw_.early));
        int resizes_left = options_.resize ? kFirstResizes : 0;
        while (!result_) {
            pollfd set[3] = {{raw_.socket.get(), static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0},
                             {signals_.fd(), POLLIN, 0},
                             {input_open_ && pending_.empty() ? STDIN_FILENO : -1, POLLIN, 0}};
            int ready = ::poll(set, 3, resizes_left > 0 ? kFirstResizeStep_ms * (kFirstResizes - resizes_left + 1) : -1);
            if (ready < 0 && errno != EINTR) return fail_errno("poll");
            if (ready <= 0) {
                if (ready == 0 && resizes_left > 0) {
                    resizes_left--;
                    options_.resize();
                }
                continue;
            }
            if (set[1].revents) take_signals();
            if (set[0].revents & POLLOUT) TRY(flush_input());
            if (set[0].revents & (POLLIN | POLLHUP | POLLERR)) TRY(take_output());
            if (!result_ && set[2].revents) TRY(take_input());
            if (!result_ && !input_open_ && pending_.empty() && !any_output) result_ = StreamResult{StreamEnd::InputClosed};
        }
        return *result_;
    }

private:
    void take_signals() {
        while (auto number = signals_.next()) {
            if (*number == SIGWINCH) {
                if (options_.resize) options_.resize();
                if (options_.tty) continue;
            }
            if (options_.signal) options_.signal(*number);
            else if (*number != SIGWINCH) result_ = StreamResult{StreamEnd::Interrupted, *number};
        }
    }

    Result<void> take_output() {
        auto got = os::read_some(raw_.socket.get(), buffer_);
        if (!got && got.error().number() == EAGAIN) return {};
        if (!got && got.error().number() != ECONNRESET) return fail(got.error());
        if (!got || *got == 0) {
            result_ = StreamResult{};
            return {};
        }
        return show(std::string_view(buffer_, *got));
    }

    Result<void> show(std::string_view data) {
        if (!raw_.multiplexed() && (options_.tty || !options_.multiplexed)) {
            if (options_.output) put(data);
            return {};
        }
        return frames_.feed(data, [&](int stream, std::string_view bytes) {
            if (stream == 2 && options_.error_output) put_error(bytes);
            if (stream != 2 && options_.output) put(bytes);
        });
    }

    Result<void> take_input() {
        auto got = os::read_some(STDIN_FILENO, buffer_);
        if (!got && got.error().number() == EAGAIN) return {};
        if (!got || *got == 0) {
            input_open_ = false;
            ::shutdown(raw_.socket.get(), SHUT_WR);
            return {};
        }
        if (detector_.feed(std::string_view(buffer_, *got), pending_)) {
            result_ = StreamResult{StreamEnd::Detached};
            return {};
        }
        return flush_input();
    }

    /// The socket may be full while the container waits for us to read: never block here.
    Result<void> flush_input() {
        while (!pending_.empty()) {
            ssize_t put = ::send(raw_.socket.get(), pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0 && errno == EAGAIN) return {};
            if (put < 0) {  // the container closed its input: output may still come
                input_open_ = false;
                pending_.clear();
                return {};
            }
            pending_.erase(0, static_cast<size_t>(put));
        }
        return {};
    }

    client::RawStream& raw_;
    const StreamOptions& options_;
    SignalWatch& signals_;
    DetachDetector detector_;
    FrameReader frames_;
    std::string pending_;
    bool input_open_ = false;
    std::optional<StreamResult> result_;
    char buffer_[kBuffer];
};
}  // namespace

Result<StreamResult> copy_streams(client::RawStream& raw, const StreamOptions& options, SignalWatch& signals) {
    return std::make_unique<Copier>(raw, options, signals)->run();
}

}  // namespace proa::cli
