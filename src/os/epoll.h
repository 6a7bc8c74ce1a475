#pragma once
#include <sys/epoll.h>

#include <cstdint>

#include "base/result.h"
#include "os/fd.h"

namespace proa::os {

/// Called by Epoll::dispatch when the watched descriptor is ready; `events` are EPOLL* bits.
class EpollHandler {
public:
    virtual void on_ready(uint32_t events) = 0;

protected:
    ~EpollHandler() = default;
};

/// Calls a member function of `Owner`, for owners that watch several descriptors.
template <class Owner, void (Owner::*Method)(uint32_t)>
class EpollMember final : public EpollHandler {
public:
    explicit EpollMember(Owner* owner) : owner_(owner) {}
    void on_ready(uint32_t events) override { (owner_->*Method)(events); }

private:
    Owner* owner_;
};

/// A level-triggered epoll set for one thread. man: epoll(7)
class Epoll {
public:
    static Result<Epoll> create();

    /// `events` 0 still reports EPOLLHUP and EPOLLERR. The descriptor and the handler are borrowed until remove().
    Result<void> add(int fd, uint32_t events, EpollHandler& handler);
    Result<void> modify(int fd, uint32_t events, EpollHandler& handler);
    /// Also forgets what was reported for `handler` and not yet dispatched, so the handler may be destroyed afterwards
    /// (but not by itself while its on_ready runs, unless it returns at once).
    void remove(int fd, EpollHandler& handler);
    /// Waits at most `timeout_ms` (-1: for ever) and calls the handlers of one batch; false when nothing was ready
    /// (also after EINTR).
    Result<bool> dispatch(int timeout_ms);

private:
    static constexpr int kBatch = 16;
    Fd fd_;
    epoll_event batch_[kBatch];
    int next_ = 0, count_ = 0;
};

/// One descriptor's place in an Epoll: takes part only while something is wanted of it, so that a hung-up descriptor that
/// nobody reads does not keep the loop busy. Leaves the set on destruction.
class EpollInterest {
public:
    EpollInterest(Epoll& epoll, EpollHandler& handler) : epoll_(&epoll), handler_(&handler) {}
    EpollInterest(const EpollInterest&) = delete;
    EpollInterest& operator=(const EpollInterest&) = delete;
    ~EpollInterest() { leave(); }

    static constexpr uint32_t kOnlyHangup = 1u << 27;  ///< in the set with no event wanted but EPOLLHUP and EPOLLERR
    /// 0 leaves the set. The first call names the descriptor.
    Result<void> want(int fd, uint32_t events);
    void leave();

private:
    Epoll* epoll_;
    EpollHandler* handler_;
    int fd_ = -1;
    uint32_t events_ = 0;
};

}  // namespace proa::os
