#pragma once
#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace proa::os {

/// Sole owner of one file descriptor; closes it on destruction. Every descriptor that os/ opens is O_CLOEXEC.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset();
    /// F_DUPFD_CLOEXEC.
    Result<Fd> duplicate() const;

private:
    int fd_ = -1;
};

Result<Fd> duplicate(int fd);

struct Pipe {
    Fd read_end, write_end;
};
Result<Pipe> make_pipe(int extra_flags = 0);  ///< O_CLOEXEC | extra_flags

/// read(2), EINTR retried; 0 is end of file.
Result<size_t> read_some(int fd, std::span<char> buffer);
/// write(2), EINTR retried.
Result<size_t> write_some(int fd, std::string_view data);
/// All of `data`; on a non-blocking descriptor waits with poll(2).
Result<void> write_all(int fd, std::string_view data);
/// Until end of file; InvalidArgument when there is more than `limit` bytes.
Result<std::string> read_to_end(int fd, size_t limit);

Result<void> set_nonblocking(int fd, bool on);
Result<void> set_close_on_exec(int fd, bool on);

/// An anonymous file in memory that holds `content`, sealed against every change (F_SEAL_*), position 0.
/// `executable` asks for MFD_EXEC where the kernel knows it (6.3); the name shows in /proc/PID/fd. man: memfd_create(2)
Result<Fd> sealed_memfd(const char* name, std::string_view content, bool executable = false);

Result<Fd> make_eventfd();
/// Adds 1 to an eventfd; never blocks.
void signal_eventfd(int fd);

/// A descriptor that is readable (poll(2)) while any of `fds` is; they are borrowed. man: epoll(7)
Result<Fd> combine_readable(std::span<const int> fds);
/// One more for such a descriptor, which then is readable also once the peer of `fd` has hung up (whatever it sent before).
Result<void> combine_hangup(int combined, int fd);

/// Waits until `fd` is readable (or closed by the peer): true, or false after `timeout_ms` (-1: for ever).
Result<bool> wait_readable(int fd, int timeout_ms);
Result<bool> wait_writable(int fd, int timeout_ms);

}  // namespace proa::os
