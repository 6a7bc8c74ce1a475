#include "client/transport.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "http/tls.h"
#include "os/socket.h"

namespace proa::client {

namespace {
constexpr size_t kHeadMax = 64 << 10;
constexpr size_t kFieldsMax = 256;
constexpr size_t kReadSize = 16 << 10;

Unexpected malformed(std::string_view what) { return fail(ErrorKind::Internal, concat("malformed HTTP response ", quote(what))); }

bool is_token(std::string_view text) {
    static constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kOther.find(c) != kOther.npos;
    });
}

bool is_field_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

std::optional<uint64_t> parse_digits(std::string_view text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
    return parse_uint(text);
}

Result<ResponseHead> parse_status_line(std::string_view line) {
    ResponseHead head;
    if (!line.starts_with("HTTP/1.0 ") && !line.starts_with("HTTP/1.1 ")) return malformed(line.substr(0, 80));
    std::string_view rest = line.substr(9);
    auto status = parse_digits(rest.substr(0, 3));
    if (rest.size() < 3 || !status || *status < 100 || (rest.size() > 3 && rest[3] != ' ')) return malformed(line.substr(0, 80));
    head.status = static_cast<int>(*status);
    head.reason = rest.size() > 4 ? std::string(rest.substr(4)) : "";
    return head;
}

Result<os::Fd> connect_tcp(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int code = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
    if (code != 0) return fail(ErrorKind::Unavailable, concat("dial tcp: lookup ", endpoint.host, ": ", ::gai_strerror(code)));
    int last_error = ECONNREFUSED;
    os::Fd connected;
    for (addrinfo* each = found; each && !connected; each = each->ai_next) {
        os::Fd socket(::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol));
        if (!socket) continue;
        if (::connect(socket.get(), each->ai_addr, each->ai_addrlen) == 0) {
            int on = 1;
            ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
            connected = std::move(socket);
        } else {
            last_error = errno;
        }
    }
    ::freeaddrinfo(found);
    if (!connected) return fail(errno_error("connect", endpoint.text, last_error));
    return connected;
}

/// The plain end of a TLS connection; the library is loaded here and nowhere earlier.
Result<os::Fd> start_tls(os::Fd socket, const Endpoint& endpoint) {
    http::TlsConfig config{http::TlsRole::Client, endpoint.tls->ca, endpoint.tls->certificate, endpoint.tls->key, endpoint.tls->verify};
    auto context = TRY(http::TlsContext::create(config));
    return http::tls_connect(std::move(socket), *context, endpoint.host);
}

/// MSG_NOSIGNAL on every send: the command line keeps SIGPIPE's default for its own output.
Result<void> send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        ssize_t put = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (put < 0) {
            if (errno == EINTR) continue;
            return fail_errno("send");
        }
        data.remove_prefix(static_cast<size_t>(put));
    }
    return {};
}
}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text, std::optional<TlsFiles> tls) {
    Endpoint endpoint;
    endpoint.text = text;
    auto parts = cut(text, "://");
    if (!parts) return fail(ErrorKind::InvalidArgument, concat("unable to parse docker host `", text, "`"));
    std::string_view scheme = parts->first, rest = parts->second;
    if (scheme == "unix") {
        endpoint.path = rest;
        if (endpoint.path.empty()) return fail(ErrorKind::InvalidArgument, concat("unable to parse docker host `", text, "`"));
        return endpoint;
    }
    if (scheme == "ssh") {
        endpoint.kind = Kind::Ssh;
        endpoint.ssh = TRY(SshAddress::parse(text));
        return endpoint;
    }
    if (scheme == "https" && !tls) tls.emplace();
    if (scheme != "tcp" && scheme != "http" && scheme != "https") {
        return fail(ErrorKind::Unsupported, concat("protocol ", scheme, ":// is not supported"));
    }
    endpoint.kind = Kind::Tcp;
    if (size_t slash = rest.find('/'); slash != rest.npos) {
        endpoint.base_path = trim_suffix(rest.substr(slash), "/");
        rest = rest.substr(0, slash);
    }
    size_t colon = rest.rfind(':');
    bool bracketed = rest.starts_with('[');
    if (colon != rest.npos && (!bracketed || (colon > 0 && rest[colon - 1] == ']'))) {
        endpoint.port = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
    } else {
        endpoint.port = tls ? "2376" : "2375";
    }
    if (bracketed) rest = trim_suffix(trim_prefix(rest, "["), "]");
    endpoint.host = rest.empty() ? "localhost" : std::string(rest);
    endpoint.tls = std::move(tls);
    return endpoint;
}

std::string_view ResponseHead::header(std::string_view name) const {
    for (auto& [key, value] : headers)
        if (equals_ignoring_case(key, name)) return value;
    return {};
}

Result<std::optional<std::pair<ResponseHead, size_t>>> parse_response_head(std::string_view data) {
    ResponseHead head;
    size_t at = 0;
    for (size_t number = 0;; number++) {
        size_t end = data.find('\n', at);
        if (end == data.npos) {
            if (data.size() > kHeadMax) return malformed("head too large");
            return std::nullopt;
        }
        if (end > kHeadMax || number > kFieldsMax) return malformed("head too large");
        std::string_view line = trim_suffix(data.substr(at, end - at), "\r");
        at = end + 1;
        if (number == 0) {
            head = TRY(parse_status_line(line));
            continue;
        }
        if (line.empty()) return std::optional(std::pair(std::move(head), at));
        auto field = cut(line, ":");
        if (!field || !is_token(field->first)) return malformed(line.substr(0, 80));
        std::string_view value = trim(field->second);
        if (!is_field_value(value)) return malformed(line.substr(0, 80));
        head.headers.emplace_back(field->first, value);
    }
}

Result<BodyFraming> body_framing(const ResponseHead& head, std::string_view method) {
    std::optional<uint64_t> length;
    bool chunked = false;
    for (auto& [name, value] : head.headers) {
        if (equals_ignoring_case(name, "Content-Length")) {
            auto number = parse_digits(value);
            if (!number || (length && *length != *number)) return malformed(concat("Content-Length: ", value));
            length = number;
        } else if (equals_ignoring_case(name, "Transfer-Encoding")) {
            if (chunked || !equals_ignoring_case(value, "chunked")) return malformed(concat("Transfer-Encoding: ", value));
            chunked = true;
        }
    }
    using enum BodyFraming::Kind;
    if (method == "HEAD" || head.status == 204 || head.status == 304) return BodyFraming{None, 0};
    if (head.status == 101) return BodyFraming{UntilClose, 0};
    if (chunked && length) return malformed("Content-Length beside Transfer-Encoding");
    if (chunked) return BodyFraming{Chunked, 0};
    if (length) return BodyFraming{*length == 0 ? None : Length, *length};
    return BodyFraming{UntilClose, 0};
}

Result<Connection> Connection::open(const Endpoint& endpoint) {
    if (endpoint.kind == Endpoint::Kind::Ssh) {
        auto tunnel = SshTunnel::open(endpoint.ssh, endpoint.remote_program);
        if (!tunnel) return fail(ErrorKind::Unavailable, concat("error during connect: ", endpoint.text, ": ", tunnel.error().message()));
        os::Fd stream = tunnel->take_stream();
        return Connection(std::move(stream), "docker.example.com", std::move(*tunnel));
    }
    auto socket = endpoint.kind == Endpoint::Kind::Unix ? os::connect_unix(endpoint.path, os::SocketType::Stream) : connect_tcp(endpoint);
    if (!socket) {
        int number = socket.error().number();
        if (number == EACCES || number == EPERM)
            return fail(ErrorKind::Unavailable,
                        concat("permission denied while trying to connect to the Docker daemon socket at ", endpoint.text, ": ", socket.error().message()),
                        number);
        return fail(ErrorKind::Unavailable, concat("Cannot connect to the Docker daemon at ", endpoint.text, ". Is the docker daemon running?"), number);
    }
    if (endpoint.tls) {
        auto plain = start_tls(std::move(*socket), endpoint);
        if (!plain) return fail(plain.error().kind(), concat("error during connect: ", endpoint.text, ": ", plain.error().message()));
        socket = std::move(plain);
    }
    std::string host = endpoint.kind == Endpoint::Kind::Unix ? "api.moby.localhost" : concat(endpoint.host, ':', endpoint.port);
    return Connection(std::move(*socket), std::move(host));
}

Result<void> Connection::send(const Request& request) {
    std::string head = concat(request.method, ' ', request.target, " HTTP/1.1\r\nHost: ", host_, "\r\n");
    for (auto& [name, value] : request.headers) head += concat(name, ": ", value, "\r\n");
    if (!request.content_type.empty()) head += concat("Content-Type: ", request.content_type, "\r\n");
    if (request.upgrade) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    if (request.chunked) head += "Transfer-Encoding: chunked\r\n";
    else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") head += concat("Content-Length: ", request.body.size(), "\r\n");
    head += "\r\n";
    head += request.body;
    auto sent = send_all(fd_.get(), head);
    if (!sent && tunnel_) return fail(ErrorKind::Unavailable, tunnel_->failure());
    return sent;
}

Result<void> Connection::send_chunk(std::string_view data) {
    if (data.empty()) return {};
    char size[24];
    int length = snprintf(size, sizeof size, "%zx\r\n", data.size());
    TRY(send_all(fd_.get(), std::string_view(size, static_cast<size_t>(length))));
    TRY(send_all(fd_.get(), data));
    return send_all(fd_.get(), "\r\n");
}

Result<void> Connection::end_chunks() { return send_all(fd_.get(), "0\r\n\r\n"); }

Result<size_t> Connection::fill() {
    if (position_ == buffer_.size()) {
        buffer_.clear();
        position_ = 0;
    }
    size_t old = buffer_.size();
    buffer_.resize(old + kReadSize);
    auto got = os::read_some(fd_.get(), std::span(buffer_.data() + old, kReadSize));
    buffer_.resize(old + (got ? *got : 0));
    return got;
}

Result<ResponseHead> Connection::read_head(std::string_view method) {
    for (;;) {
        auto parsed = TRY(parse_response_head(std::string_view(buffer_).substr(position_)));
        if (!parsed) {
            auto got = fill();
            if (!got && !tunnel_) return fail(got.error());
            if (!got || *got == 0) {
                fd_.reset();
                if (tunnel_) return fail(ErrorKind::Unavailable, tunnel_->failure());
                return fail(ErrorKind::Unavailable, position_ == buffer_.size() ? "EOF" : "unexpected EOF");
            }
            continue;
        }
        position_ += parsed->second;
        ResponseHead& head = parsed->first;
        if (head.status < 200 && head.status != 101) continue;
        framing_ = TRY(body_framing(head, method));
        left_ = framing_.length;
        first_chunk_ = true;
        done_ = framing_.kind == BodyFraming::Kind::None;
        keep_alive_ = framing_.kind != BodyFraming::Kind::UntilClose && !equals_ignoring_case(head.header("Connection"), "close");
        return std::move(head);
    }
}

Result<std::string> Connection::take_line() {
    for (;;) {
        size_t end = buffer_.find('\n', position_);
        if (end != buffer_.npos) {
            std::string line(trim_suffix(std::string_view(buffer_).substr(position_, end - position_), "\r"));
            position_ = end + 1;
            return line;
        }
        if (buffer_.size() - position_ > 8192) return malformed("chunk line too long");
        if (TRY(fill()) == 0) return fail(ErrorKind::Internal, "unexpected EOF");
    }
}

Result<void> Connection::next_chunk() {
    if (!first_chunk_ && !TRY(take_line()).empty()) return malformed("chunk without end");
    first_chunk_ = false;
    std::string line = TRY(take_line());
    std::string_view size = trim(std::string_view(line).substr(0, line.find(';')));
    bool digits = !size.empty() && size.size() <= 16 && std::all_of(size.begin(), size.end(), [](unsigned char c) { return isxdigit(c) != 0; });
    if (!digits) return malformed(concat("chunk size ", line.substr(0, 40)));
    left_ = *parse_uint(size, 16);
    if (left_ > 0) return {};
    while (!TRY(take_line()).empty()) {}  // trailers
    done_ = true;
    return {};
}

Result<size_t> Connection::read(std::span<char> buffer) {
    if (done_ || buffer.empty()) return 0;
    if (framing_.kind == BodyFraming::Kind::Chunked && left_ == 0) {
        TRY(next_chunk());
        if (done_) return 0;
    }
    if (position_ == buffer_.size() && TRY(fill()) == 0) {
        done_ = true;
        keep_alive_ = false;
        if (framing_.kind == BodyFraming::Kind::UntilClose) return 0;
        return fail(ErrorKind::Internal, "unexpected EOF");
    }
    size_t count = std::min(buffer.size(), buffer_.size() - position_);
    if (framing_.kind != BodyFraming::Kind::UntilClose) count = static_cast<size_t>(std::min<uint64_t>(count, left_));
    memcpy(buffer.data(), buffer_.data() + position_, count);
    position_ += count;
    if (framing_.kind != BodyFraming::Kind::UntilClose) left_ -= count;
    if (framing_.kind == BodyFraming::Kind::Length && left_ == 0) done_ = true;
    return count;
}

Result<std::string> Connection::read_body(size_t limit) {
    std::string body;
    char buffer[16384];
    while (size_t got = TRY(read(buffer))) {
        body.append(buffer, got);
        if (body.size() > limit) return fail(ErrorKind::Internal, "response body too large");
    }
    return body;
}

bool Connection::has_buffered() const { return done_ || position_ < buffer_.size(); }

std::pair<os::Fd, std::string> Connection::hijack() {
    std::string early = buffer_.substr(position_);
    buffer_.clear();
    position_ = 0;
    return {std::move(fd_), std::move(early)};
}

}  // namespace proa::client
