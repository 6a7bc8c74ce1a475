#pragma once
#include <netinet/in.h>

#include <memory>
#include <string>
#include <vector>

#include "os/epoll.h"
#include "os/fd.h"

namespace proa::shim {

/// Carries the connections of a listening socket to a TCP port of the container, from the shim's own (the host's) network
/// namespace, with half-close in both directions. At most kConnectionsMax at once (fewer where RLIMIT_NOFILE is too small for
/// that); more wait in the listener's backlog.
class PortForwarder final : os::EpollHandler {
public:
    static constexpr size_t kConnectionsMax = 1024;

    /// Errors: InvalidArgument when the target is no numeric address.
    static Result<std::unique_ptr<PortForwarder>> start(os::Epoll& epoll, os::Fd listener, const std::string& target_address,
                                                    uint16_t target_port);
    ~PortForwarder();
    int listener() const { return listener_.get(); }
    /// Accepts no more; true when no connection is left either.
    bool close_listener();
    /// Destroys ended connections; call after every batch of events.
    void sweep();
    /// When sweep() must be called next (monotonic nanoseconds); 0: after the next events.
    int64_t deadline() const { return retry_at_; }

private:
    class Connection;
    PortForwarder(os::Epoll& epoll, os::Fd listener);
    void on_ready(uint32_t events) override;
    void update_interest();

    os::Epoll& epoll_;
    os::Fd listener_;
    os::EpollInterest interest_;
    sockaddr_storage target_{};
    socklen_t target_size_ = 0;
    size_t limit_ = kConnectionsMax;
    int64_t retry_at_ = 0;  ///< no descriptor was left: try again then
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace proa::shim
