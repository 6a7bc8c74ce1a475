#pragma once
#include <deque>
#include <string>
#include <vector>

#include "os/epoll.h"
#include "os/socket.h"
#include "shim/protocol.h"

namespace proa::shim {

class EngineConnection;

class RequestHandler {
public:
    /// Answers with EngineConnection::reply, at once or later.
    virtual void handle(EngineConnection& connection, const Request& request, std::vector<os::Fd> fds) = 0;

protected:
    ~RequestHandler() = default;
};

/// One engine's control connection: requests in, replies and events out. Nothing here blocks; an engine that does not read is
/// dropped after kQueueMax messages.
class EngineConnection final : public os::EpollHandler {
public:
    EngineConnection(os::Epoll& epoll, RequestHandler& handler, os::Fd socket);
    Result<void> start();

    void reply(uint64_t sequence, Reply reply);
    void send_event(const Event& event);
    void on_ready(uint32_t events) override;
    bool closed() const { return !socket_; }
    bool peer_gone() const;  ///< the engine has closed its side, or has ended; requests of it may still wait here
    void close();
    bool idle() const { return queue_.empty(); }

    uint64_t id = 0;  ///< for replies that come later, when the connection may be gone
    bool subscribed = false;

private:
    static constexpr size_t kQueueMax = 4096;
    void receive();
    void send(Request message);
    void flush();

    RequestHandler& handler_;
    os::Fd socket_;
    os::EpollInterest interest_;
    std::deque<std::string> queue_;
};

Reply good_reply(int32_t pid = 0);
Reply error_reply(const Error& error);

}  // namespace proa::shim
