#include "os/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/text.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace proa::os {

void Fd::reset() {
    if (fd_ >= 0) ::close(fd_);  // EINTR leaves the descriptor closed on Linux: never retry
    fd_ = -1;
}

Result<Fd> Fd::duplicate() const { return os::duplicate(fd_); }

Result<Fd> duplicate(int fd) {
    int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return fail_errno("duplicate descriptor");
    return Fd(copy);
}

Result<Pipe> make_pipe(int extra_flags) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | extra_flags) < 0) return fail_errno("pipe2");
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<size_t> read_some(int fd, std::span<char> buffer) {
    for (;;) {
        ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got >= 0) return static_cast<size_t>(got);
        if (errno != EINTR) return fail_errno("read");
    }
}

Result<size_t> write_some(int fd, std::string_view data) {
    for (;;) {
        ssize_t put = ::write(fd, data.data(), data.size());
        if (put >= 0) return static_cast<size_t>(put);
        if (errno != EINTR) return fail_errno("write");
    }
}

Result<void> write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        auto put = write_some(fd, data);
        if (put) {
            data.remove_prefix(*put);
        } else if (put.error().number() == EAGAIN) {
            TRY(wait_writable(fd, -1));
        } else {
            return fail(std::move(put).error());
        }
    }
    return {};
}

Result<std::string> read_to_end(int fd, size_t limit) {
    std::string out;
    for (;;) {
        size_t have = out.size();
        out.resize(have + std::max<size_t>(4096, have));
        size_t got = TRY(read_some(fd, std::span(out).subspan(have)));
        out.resize(have + got);
        if (out.size() > limit) return fail(ErrorKind::InvalidArgument, concat("more than ", limit, " bytes"));
        if (got == 0) return out;
    }
}

Result<void> set_nonblocking(int fd, bool on) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
        return fail_errno("fcntl F_SETFL");
    return {};
}

Result<void> set_close_on_exec(int fd, bool on) {
    if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0) return fail_errno("fcntl F_SETFD");
    return {};
}

Result<Fd> sealed_memfd(const char* name, std::string_view content, bool executable) {
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = ::memfd_create(name, executable ? flags | MFD_EXEC : flags);
    if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name, flags);  // before Linux 6.3 there is no MFD_EXEC
    if (fd < 0) return fail_errno("memfd_create", name);
    Fd owner(fd);
    TRY(write_all(fd, content));
    if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return fail_errno("seal", name);
    if (::lseek(fd, 0, SEEK_SET) < 0) return fail_errno("lseek", name);
    return owner;
}

Result<Fd> make_eventfd() {
    int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return fail_errno("eventfd");
    return Fd(fd);
}

void signal_eventfd(int fd) {
    uint64_t one = 1;
    ssize_t put = ::write(fd, &one, sizeof one);
    (void)put;  // full means that it is signalled already
}

Result<void> combine_hangup(int combined, int fd) {
    epoll_event event{};
    if (::epoll_ctl(combined, EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("epoll_ctl");
    return {};
}

Result<Fd> combine_readable(std::span<const int> fds) {
    Fd combined(::epoll_create1(EPOLL_CLOEXEC));
    if (!combined) return fail_errno("epoll_create1");
    for (int fd : fds) {
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(combined.get(), EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("epoll_ctl");
    }
    return combined;
}

static Result<bool> wait_for(int fd, short events, int timeout_ms) {
    for (;;) {
        pollfd entry{fd, events, 0};
        int ready = ::poll(&entry, 1, timeout_ms);
        if (ready >= 0) return ready > 0;
        if (errno != EINTR) return fail_errno("poll");
    }
}

Result<bool> wait_readable(int fd, int timeout_ms) { return wait_for(fd, POLLIN, timeout_ms); }
Result<bool> wait_writable(int fd, int timeout_ms) { return wait_for(fd, POLLOUT, timeout_ms); }

}  // namespace proa::os
