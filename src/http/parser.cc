#include "http/parser.h"

// Boost 1.81 asserts that a last chunk comes in five bytes or more; "0\r\n" in a packet of its own is fewer. The code behind
// is right, so a client must not be able to end us with it.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

#include "base/text.h"

namespace proa::http {

namespace {

namespace beast = boost::beast;
using ErrorCode = beast::error_code;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

void take_first_line(Request& request, std::string_view method, std::string_view target) {
    request.method_name = method;
    request.method = method_from_name(method);
    request.target.raw = target;
}

/// Beast calls back with pieces of the input; everything is copied out, so the input may move between calls.
template <bool is_request, class Message>
class BeastParser final : public beast::http::basic_parser<is_request> {
public:
    explicit BeastParser(size_t head_limit_bytes) {
        this->header_limit(static_cast<uint32_t>(std::min<size_t>(head_limit_bytes, UINT32_MAX)));
        this->body_limit(boost::none);
        this->eager(false);
    }

    Message message;
    std::span<char> out;  ///< where chunk contents go during one call
    size_t produced = 0;

private:
    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                         ErrorCode&) override {
        if constexpr (is_request) take_first_line(message, view(method), view(target));
        message.minor_version = version - 10;
    }
    void on_response_impl(int code, beast::string_view reason, int version, ErrorCode&) override {
        if constexpr (!is_request) {
            message.status = code;
            message.reason = view(reason);
        }
        message.minor_version = version - 10;
    }
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value, ErrorCode&) override {
        if (!in_trailer_) message.headers.add(view(name), view(value));
    }
    void on_header_impl(ErrorCode&) override { in_trailer_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
    std::size_t on_body_impl(beast::string_view, ErrorCode&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, ErrorCode&) override {
        size_t length = std::min(body.size(), out.size() - produced);
        std::copy_n(body.data(), length, out.data() + produced);
        produced += length;
        return length;
    }
    void on_finish_impl(ErrorCode&) override {}

    bool in_trailer_ = false;
};

/// "GET / HTTP/3.0": well formed, but of a version that we do not speak.
bool has_foreign_version(std::string_view text) {
    auto pieces = split(text.substr(0, text.find_first_of("\r\n")), ' ');
    if (pieces.size() != 3) return false;
    auto& version = pieces[2];
    auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
           is_digit(version[7]) && version != "HTTP/1.0" && version != "HTTP/1.1";
}

Refusal refusal_of(const ErrorCode& error, std::string_view rest) {
    using Code = beast::http::error;
    if (error == Code::header_limit) return {431, ""};
    if (error == Code::bad_version && has_foreign_version(rest)) return {505, "unsupported protocol version"};
    return {400, ""};
}

bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// What has been taken of a head, and how much of the rest has been looked at.
struct HeadScan {
    size_t taken = 0;    ///< bytes that the parser consumed so far
    size_t checked = 0;  ///< bytes of the pending rest that is_hopeless has seen
};

/// Beast waits for CR LF before it judges a line; this tells early what no continuation can mend, so that a client that
/// speaks TLS or sends bare line feeds is answered at once instead of after the head time-out.
bool is_hopeless(std::string_view pending, HeadScan& scan) {
    if (scan.taken == 0 && !pending.empty() && !is_token_char(pending[0])) return true;
    for (size_t at = scan.checked; at < pending.size(); at++) {
        if (pending[at] == '\0') return true;
        if (pending[at] == '\n' && (at == 0 || pending[at - 1] != '\r')) return true;
    }
    scan.checked = pending.size();
    return false;
}

template <class Parser>
std::expected<size_t, Refusal> put_head(Parser& parser, std::string_view data, HeadScan& scan) {
    size_t consumed = 0;
    while (!parser.is_header_done()) {
        ErrorCode error;
        auto rest = data.substr(consumed);
        size_t done = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
        consumed += done;
        scan.taken += done;
        if (done > 0) scan.checked = 0;
        if (error == beast::http::error::need_more) {
            if (is_hopeless(data.substr(consumed), scan)) return std::unexpected(Refusal{400, ""});
            break;
        }
        if (error) return std::unexpected(refusal_of(error, rest));
    }
    return consumed;
}

template <class Parser>
std::expected<Progress, Refusal> put_chunks(Parser& parser, std::string_view data, std::span<char> out) {
    Progress progress;
    parser.out = out;
    parser.produced = 0;
    while (!parser.is_done() && parser.produced < out.size()) {
        auto rest = data.substr(progress.consumed);
        if (rest.empty()) break;
        ErrorCode error;
        size_t done = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
        progress.consumed += done;
        if (error == beast::http::error::need_more) break;
        if (error) return std::unexpected(Refusal{400, "invalid chunked body"});
    }
    progress.produced = parser.produced;
    return progress;
}

/// Whether "Transfer-Encoding" is absent or the one form that we and every proxy agree on.
bool plain_transfer_encoding(const Headers& headers) {
    return !headers.has("Transfer-Encoding") || (headers.count("Transfer-Encoding") == 1 &&
                                                 equals_ignoring_case(headers.get("Transfer-Encoding"), "chunked"));
}

/// The checks that Go makes behind the grammar. The status line's reason is Go's.
std::optional<Refusal> check_request(Request& request) {
    auto& headers = request.headers;
    if (!plain_transfer_encoding(headers)) return Refusal{501, "Unsupported transfer encoding"};
    if (headers.has("Transfer-Encoding") && (request.minor_version == 0 || headers.has("Content-Length")))
        return Refusal{400, ""};
    if (headers.count("Content-Length") > 1 || headers.get("Content-Length").find(',') != std::string_view::npos)
        return Refusal{400, ""};
    if (request.minor_version == 1 && !headers.has("Host")) return Refusal{400, "missing required Host header"};
    if (headers.count("Host") > 1) return Refusal{400, ""};
    if (headers.get("Host").find_first_of(" /@\\\"<>^`{|}\t") != std::string_view::npos)
        return Refusal{400, "malformed Host header"};
    if (auto* expect = headers.find("Expect"); expect && !equals_ignoring_case(*expect, "100-continue"))
        return Refusal{417, ""};
    auto target = Target::parse(request.target.raw);
    if (!target) return Refusal{400, ""};
    request.target = std::move(*target);
    return std::nullopt;
}

template <class Parser, class Message>
void take_framing(Parser& parser, Message& message) {
    message.chunked = parser.chunked();
    if (auto length = parser.content_length(); length && !message.chunked) message.content_length = *length;
    message.keep_alive = parser.keep_alive();
}

}  // namespace

struct RequestParser::State {
    explicit State(size_t limit) : parser(limit) {}
    BeastParser<true, Request> parser;
    HeadScan scan;
};

RequestParser::RequestParser(size_t head_limit_bytes) : state_(std::make_unique<State>(head_limit_bytes)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

std::expected<size_t, Refusal> RequestParser::take_head(std::string_view data) {
    auto consumed = put_head(state_->parser, data, state_->scan);
    if (!consumed || !head_done()) return consumed;
    take_framing(state_->parser, request());
    if (auto refusal = check_request(request())) return std::unexpected(std::move(*refusal));
    return consumed;
}

bool RequestParser::head_done() const { return state_->parser.is_header_done(); }
Request& RequestParser::request() { return state_->parser.message; }

std::expected<Progress, Refusal> RequestParser::take_chunked(std::string_view data, std::span<char> out) {
    return put_chunks(state_->parser, data, out);
}
bool RequestParser::body_done() const { return state_->parser.is_done(); }

struct ResponseParser::State {
    explicit State(size_t limit) : parser(limit) {}
    BeastParser<false, Response> parser;
    HeadScan scan;
};

ResponseParser::ResponseParser(size_t head_limit_bytes, bool to_head)
    : state_(std::make_unique<State>(head_limit_bytes)) {
    state_->parser.skip(to_head);
}
ResponseParser::~ResponseParser() = default;
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;

std::expected<size_t, Refusal> ResponseParser::take_head(std::string_view data) {
    auto consumed = put_head(state_->parser, data, state_->scan);
    if (!consumed || !head_done()) return consumed;
    if (!plain_transfer_encoding(response().headers)) return std::unexpected(Refusal{502, "unsupported transfer encoding"});
    take_framing(state_->parser, response());
    return consumed;
}

bool ResponseParser::head_done() const { return state_->parser.is_header_done(); }
Response& ResponseParser::response() { return state_->parser.message; }

std::expected<Progress, Refusal> ResponseParser::take_chunked(std::string_view data, std::span<char> out) {
    return put_chunks(state_->parser, data, out);
}
bool ResponseParser::body_done() const { return state_->parser.is_done(); }

}  // namespace proa::http
