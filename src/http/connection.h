#pragma once
#include <memory>
#include <optional>
#include <string>

#include "http/exchange.h"
#include "http/parser.h"
#include "os/fd.h"

// One client connection: socket, bytes read ahead, and the request being parsed. Used by one thread at a time.
namespace proa::http {

struct PeerKind {
    bool unix_socket = true;
    bool tls = false;
    std::string address = "@";
};

class Connection {
public:
    Connection(os::Fd socket, PeerKind peer, size_t head_limit_bytes);

    int fd() const { return socket_.get(); }
    const PeerKind& peer() const { return peer_; }

    enum class Head { Ready, Partial, Closed, Refused };
    /// Reads what is there without blocking and parses; Partial: nothing more to read now.
    Head advance_head();
    /// Whether bytes of a head have come (a connection that waits with none is idle).
    bool has_partial_head() const;
    bool served_before() const { return served_ > 0; }
    const Refusal& refusal() const { return refusal_; }
    Request& request() { return parser_->request(); }
    RequestParser& parser() { return *parser_; }
    /// Answers a refused head as Go does; the connection is of no further use.
    void send_refusal();
    /// Makes ready for the next request; frees buffers when nothing was read ahead.
    void next_request();

    std::string_view read_ahead() const { return std::string_view(input_).substr(start_); }
    void consume(size_t bytes);
    /// Blocks for more bytes behind read_ahead(); 0 at the end of the stream.
    Result<size_t> read_more();
    /// Straight from the socket (only when nothing is read ahead); blocks.
    Result<size_t> read_direct(std::span<char> buffer);
    /// All pieces in one message where the socket takes it; blocks; Cancelled when the client is gone.
    Result<void> send(std::span<const std::string_view> pieces);
    Result<void> send(std::string_view data) { return send(std::span(&data, 1)); }
    /// Tells the client that no more comes and lets it read the last answer before the socket closes.
    void linger();
    /// The socket and the bytes read ahead; runs the hook first.
    Hijacked take();
    void set_before_take(std::function<void()> hook) { before_take_ = std::move(hook); }

private:
    enum class Fill { Some, Nothing, End };
    Fill fill_without_blocking();
    std::span<char> room();

    os::Fd socket_;
    PeerKind peer_;
    size_t head_limit_;
    std::string input_;  ///< bytes [start_, size) are not consumed
    size_t start_ = 0;
    bool head_bytes_taken_ = false;
    std::optional<RequestParser> parser_;
    Refusal refusal_;
    uint64_t served_ = 0;
    std::function<void()> before_take_;
};

/// Serves requests on `socket` until it closes or is given away, on the calling thread. For private sockets and tests; the
/// server has its own loop.
void serve_connection(os::Fd socket, const Handler& handler);

}  // namespace proa::http
