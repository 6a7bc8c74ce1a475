#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/ssh_tunnel.h"
#include "os/fd.h"

// HTTP/1.1 as the engine speaks it, from the client's side: one connection, one exchange at a time, no threads.
// Written for the command line's start path: no DNS, TLS or event loop is touched for a unix socket.
namespace proa::client {

/// How to speak TLS to a tcp:// engine. Files that are empty or missing are left out where `verify` is off.
struct TlsFiles {
    std::string ca, certificate, key;  ///< PEM
    bool verify = true;                ///< check the server's certificate and name
};

/// Where an engine listens.
struct Endpoint {
    enum class Kind { Unix, Tcp, Ssh };
    Kind kind = Kind::Unix;
    std::string path;  ///< unix socket
    std::string host, port;
    std::string base_path;        ///< tcp://host:port/prefix
    std::optional<TlsFiles> tls;  ///< Tcp only
    SshAddress ssh;
    std::string remote_program = "docker";  ///< Ssh: what speaks to the engine there, see SshAddress::command
    std::string text;                       ///< as Docker's texts show it: "unix:///run/proa/proa.sock"

    /// Reads unix://, tcp://, http://, https:// and ssh:// addresses; the default port is 2376 with `tls`, else 2375.
    /// Errors: Unsupported for fd and npipe (each named), InvalidArgument for what is no address.
    static Result<Endpoint> parse(std::string_view text, std::optional<TlsFiles> tls = std::nullopt);
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method = "GET";
    std::string target;  ///< path and query, percent-encoded
    HeaderList headers;
    std::string body;
    std::string content_type;  ///< sent when not empty
    bool chunked = false;      ///< the body follows through Connection::send_chunk
    bool upgrade = false;      ///< asks for a raw stream (Upgrade: tcp)
};

struct ResponseHead {
    int status = 0;
    std::string reason;
    HeaderList headers;

    /// The first header of that name (any case), or "".
    std::string_view header(std::string_view name) const;
};

/// Reads one response head from the front of `data`; nullopt when it is not complete yet.
/// Strict: HTTP/1.x, three-digit status, `name: value` lines without folding or stray controls, CRLF or LF line ends,
/// at most 64 KiB and 256 fields. Errors: Internal `malformed HTTP response ...`.
Result<std::optional<std::pair<ResponseHead, size_t>>> parse_response_head(std::string_view data);

/// How the body of a response ends. Errors when Content-Length is no number, repeated with another value, or stands beside
/// a Transfer-Encoding other than chunked.
struct BodyFraming {
    enum class Kind { None, Length, Chunked, UntilClose };
    Kind kind = Kind::None;
    uint64_t length = 0;
};
Result<BodyFraming> body_framing(const ResponseHead& head, std::string_view method);

/// One connection to an engine.
class Connection {
public:
    /// For ssh this returns before the other side has answered; what ssh says then comes with read_head().
    /// Errors: Unavailable with Docker's text "Cannot connect to the Docker daemon at ...".
    static Result<Connection> open(const Endpoint& endpoint);

    Result<void> send(const Request& request);
    Result<void> send_chunk(std::string_view data);  ///< an empty one is left out
    Result<void> end_chunks();
    /// The response's head; interim 1xx answers other than 101 are skipped. Afterwards read() gives the body.
    Result<ResponseHead> read_head(std::string_view method);

    /// More of the body; 0 is its end. Errors: Internal "unexpected EOF" when the peer closed early.
    Result<size_t> read(std::span<char> buffer);
    Result<std::string> read_body(size_t limit = 256 << 20);
    /// True when read() would give bytes (or the end) without waiting for the socket.
    bool has_buffered() const;
    /// The body was read to its end and the peer keeps the connection.
    bool reusable() const { return fd_ && keep_alive_ && done_; }

    /// Takes the socket of an upgraded (101) or raw (200, until close) answer and the bytes that came with the head.
    std::pair<os::Fd, std::string> hijack();
    int fd() const { return fd_.get(); }
    void close() { fd_.reset(); }

private:
    explicit Connection(os::Fd fd, std::string host, std::optional<SshTunnel> tunnel = std::nullopt)
        : tunnel_(std::move(tunnel)), fd_(std::move(fd)), host_(std::move(host)) {}
    Result<size_t> fill();
    Result<void> next_chunk();
    Result<std::string> take_line();

    std::optional<SshTunnel> tunnel_;
    os::Fd fd_;
    std::string host_;
    std::string buffer_;
    size_t position_ = 0;
    BodyFraming framing_;
    uint64_t left_ = 0;  ///< bytes left in the body or the chunk
    bool done_ = true;
    bool keep_alive_ = true;
    bool first_chunk_ = true;
};

}  // namespace proa::client
