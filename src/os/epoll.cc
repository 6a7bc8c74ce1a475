#include "os/epoll.h"

#include <cerrno>

namespace proa::os {

Result<Epoll> Epoll::create() {
    Epoll epoll;
    epoll.fd_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.fd_) return fail_errno("epoll_create1");
    return epoll;
}

Result<void> Epoll::add(int fd, uint32_t events, EpollHandler& handler) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("epoll_ctl add");
    return {};
}

Result<void> Epoll::modify(int fd, uint32_t events, EpollHandler& handler) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return fail_errno("epoll_ctl modify");
    return {};
}

void Epoll::remove(int fd, EpollHandler& handler) {
    ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr);
    for (int i = next_; i < count_; i++)
        if (batch_[i].data.ptr == &handler) batch_[i].data.ptr = nullptr;
}

Result<bool> Epoll::dispatch(int timeout_ms) {
    int got = ::epoll_wait(fd_.get(), batch_, kBatch, timeout_ms);
    if (got < 0) {
        if (errno == EINTR) return false;
        return fail_errno("epoll_wait");
    }
    count_ = got;
    for (next_ = 0; next_ < count_;) {
        epoll_event& event = batch_[next_++];
        if (event.data.ptr) static_cast<EpollHandler*>(event.data.ptr)->on_ready(event.events);
    }
    next_ = count_ = 0;
    return got > 0;
}

Result<void> EpollInterest::want(int fd, uint32_t events) {
    if (events == 0) {
        leave();
        return {};
    }
    if (fd_ == fd && events_ == events) return {};
    uint32_t kernel_events = events & ~kOnlyHangup;
    if (fd_ == fd) {
        TRY(epoll_->modify(fd, kernel_events, *handler_));
    } else {
        leave();
        TRY(epoll_->add(fd, kernel_events, *handler_));
    }
    fd_ = fd;
    events_ = events;
    return {};
}

void EpollInterest::leave() {
    if (fd_ >= 0) epoll_->remove(fd_, *handler_);
    fd_ = -1;
    events_ = 0;
}

}  // namespace proa::os
