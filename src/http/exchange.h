#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"
#include "os/fd.h"
#include "os/socket.h"

namespace proa::http {

class Connection;

/// What a handler gets when it takes a connection out of HTTP. The receiver owns the descriptor (a blocking stream
/// socket, also for TLS clients) and must treat `early` as if it had just been read from it.
struct Hijacked {
    os::Fd fd;
    std::string early;  ///< bytes that the client sent behind the request
};

/// One request being answered, on the thread that answers it. Exactly one of respond(), begin_stream() or hijack() is
/// called. Every function that writes fails with Cancelled once the client has gone; none raises SIGPIPE.
class Exchange {
public:
    Exchange(Connection& connection, Request& request);
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    const Request& request() const { return request_; }

    /// Next bytes of the body, decoded; 0 is its end. Blocks without a time limit. Sends "100 Continue" when the client
    /// waits for it. InvalidArgument for broken chunks and a body that ends early ("unexpected EOF").
    Result<size_t> read_body(std::span<char> buffer);
    /// InvalidArgument ("request body too large") beyond `limit` bytes.
    Result<std::string> read_whole_body(size_t limit);

    /// A whole answer. Adds Date and Content-Length, and leaves out what must not be there: the body for HEAD, body,
    /// length and type for 204 and 304.
    Result<void> respond(int status, const Headers& headers, std::string_view body);
    /// Sends the head at once; the body follows in chunks (HTTP/1.0: until the connection ends). For HEAD and bodiless
    /// statuses write_chunk() sends nothing.
    Result<void> begin_stream(int status, const Headers& headers);
    /// One message on the wire, sent at once; empty data sends nothing.
    Result<void> write_chunk(std::string_view data);
    Result<void> end_stream();

    /// Writes `raw_response_head` as it is (status line to the empty line) and gives the connection away.
    /// Read the request's body first: what is left of it counts as early bytes.
    Result<Hijacked> hijack(std::string_view raw_response_head);

    /// For poll(2): POLLRDHUP tells that the client went away. Owned by the connection; do not read or write it.
    int connection_fd() const;
    /// The client closed or half-closed its side. Never blocks.
    bool client_gone() const;
    /// Waits for `event_fd` to become readable: true; false after `timeout_ms` (-1: no limit); Cancelled when the client
    /// goes away or the server stops first.
    Result<bool> wait_event(int event_fd, int timeout_ms);

    /// Who is at the other end of a unix socket; nullopt on TCP.
    std::optional<os::PeerCredentials> peer_credentials() const;
    /// "@" for unix sockets, "192.0.2.1:4711" for TCP, as Go's RemoteAddr.
    std::string peer_address() const;
    bool is_tls() const;

    bool response_started() const { return state_ != State::Fresh; }
    bool hijacked() const { return state_ == State::Hijacked; }
    /// Ends the connection after this answer.
    void close_after_response() { close_after_ = true; }

    /// For the server loop: ends what the handler left open (an answer of 500 when there is none), takes the rest of a
    /// small body. True when the connection can carry another request.
    bool finish();

private:
    enum class State { Fresh, Streaming, Done, Hijacked };

    Result<void> send_continue();
    Result<size_t> read_counted(std::span<char> buffer);
    Result<size_t> read_chunked(std::span<char> buffer);
    bool has_unread_body() const;
    bool drain_body();
    bool body_allowed(int status) const;
    void decide_reuse();
    std::string head_text(int status, const Headers& headers, std::optional<size_t> length);

    Connection& connection_;
    Request& request_;
    State state_ = State::Fresh;
    uint64_t body_left_ = 0;  ///< of a body with a length
    bool body_done_ = false;
    bool continue_wanted_ = false;
    bool close_after_ = false;
    bool broken_ = false;        ///< the connection's framing is lost or the client gone
    bool stream_has_body_ = true;
};

using Handler = std::function<void(Exchange&)>;

}  // namespace proa::http
