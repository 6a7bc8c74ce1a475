#include "http/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "http/connection.h"
#include "http/run_handler.h"

namespace proa::http {

namespace {
constexpr uint64_t kDrainBytesMax = 256 << 10;  // as Go: a longer unread body costs the connection
constexpr int kDrainMs = 2000;
constexpr size_t kChunkHeaderMax = 16 << 10;    // one chunk header line, or all trailers

/// The Date header changes once a second; making it costs more than the rest of a small head.
const std::string& current_date() {
    thread_local int64_t made_at = 0;
    thread_local std::string text;
    if (int64_t second = now().seconds; second != made_at) {
        made_at = second;
        text = http_date(second);
    }
    return text;
}

/// Nothing in a header may start a new line (response splitting).
void append_header(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ");
    size_t at = out.size();
    out.append(value);
    for (; at < out.size(); at++)
        if (out[at] == '\r' || out[at] == '\n' || out[at] == '\0') out[at] = ' ';
    out.append("\r\n");
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }
}  // namespace

Exchange::Exchange(Connection& connection, Request& request) : connection_(connection), request_(request) {
    body_left_ = request.content_length.value_or(0);
    body_done_ = !request.has_body();
    continue_wanted_ = !body_done_ && request.minor_version == 1 && request.headers.has("Expect");
    close_after_ = !request.keep_alive;
}

Result<void> Exchange::send_continue() {
    if (!std::exchange(continue_wanted_, false)) return {};
    return connection_.send("HTTP/1.1 100 Continue\r\n\r\n");
}

Result<size_t> Exchange::read_body(std::span<char> buffer) {
    if (body_done_ || buffer.empty()) return size_t{0};
    if (broken_) return fail(ErrorKind::Cancelled, "the client went away");
    auto sent = send_continue();
    auto got = !sent ? Result<size_t>(Unexpected(std::move(sent).error()))
                     : (request_.chunked ? read_chunked(buffer) : read_counted(buffer));
    if (!got) broken_ = true;
    return got;
}

Result<size_t> Exchange::read_counted(std::span<char> buffer) {
    buffer = buffer.first(static_cast<size_t>(std::min<uint64_t>(buffer.size(), body_left_)));
    size_t got = 0;
    if (auto ahead = connection_.read_ahead(); !ahead.empty()) {
        got = std::min(ahead.size(), buffer.size());
        memcpy(buffer.data(), ahead.data(), got);
        connection_.consume(got);
    } else {
        got = TRY(connection_.read_direct(buffer));
        if (got == 0) return fail(ErrorKind::InvalidArgument, "unexpected EOF");
    }
    body_left_ -= got;
    body_done_ = body_left_ == 0;
    return got;
}

Result<size_t> Exchange::read_chunked(std::span<char> buffer) {
    auto& parser = connection_.parser();
    for (;;) {
        auto progress = parser.take_chunked(connection_.read_ahead(), buffer);
        if (!progress) return fail(ErrorKind::InvalidArgument, "malformed chunked encoding");
        connection_.consume(progress->consumed);
        body_done_ = parser.body_done();
        if (progress->produced > 0 || body_done_) return progress->produced;
        if (connection_.read_ahead().size() > kChunkHeaderMax)
            return fail(ErrorKind::InvalidArgument, "chunk header too long");
        size_t got = TRY(connection_.read_more());
        if (got == 0) return fail(ErrorKind::InvalidArgument, "unexpected EOF");
    }
}

Result<std::string> Exchange::read_whole_body(size_t limit) {
    if (request_.content_length.value_or(0) > limit) return fail(ErrorKind::InvalidArgument, "request body too large");
    std::string body;
    for (;;) {
        size_t have = body.size();
        size_t step = std::max<size_t>(4096, have);
        if (request_.content_length) step = static_cast<size_t>(body_left_) + 1;
        body.resize(have + std::min(step, limit + 1 - have));
        auto got = read_body(std::span(body).subspan(have));
        if (!got) return fail(std::move(got).error());
        body.resize(have + *got);
        if (body.size() > limit) return fail(ErrorKind::InvalidArgument, "request body too large");
        if (*got == 0) return body;
    }
}

bool Exchange::body_allowed(int status) const { return status_has_body(status) && request_.method != Method::Head; }

bool Exchange::has_unread_body() const { return !body_done_; }

void Exchange::decide_reuse() {
    if (!has_unread_body()) return;
    // A client that waits for "100 Continue" may or may not send its body now: nobody could tell body from request.
    if (broken_ || continue_wanted_ || (!request_.chunked && body_left_ > kDrainBytesMax)) close_after_ = true;
}

std::string Exchange::head_text(int status, const Headers& headers, std::optional<size_t> length) {
    bool old = request_.minor_version == 0, typed = status_has_body(status);
    if (typed && !length && old) close_after_ = true;  // the end of the connection is the end of the stream
    std::string head;
    head.reserve(512);
    head.append(old ? "HTTP/1.0 " : "HTTP/1.1 ");
    detail::append_piece(head, status);
    head.append(" ").append(status_text(status)).append("\r\n");
    std::vector<const Header*> sorted;  // as Go writes them
    for (auto& field : headers)
        if (typed || !equals_ignoring_case(field.name, "Content-Type")) sorted.push_back(&field);
    std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->name < b->name; });
    for (auto* field : sorted) append_header(head, field->name, field->value);
    if (!headers.has("Date")) append_header(head, "Date", current_date());
    if (typed && length) {
        head.append("Content-Length: ");
        detail::append_piece(head, *length);
        head.append("\r\n");
    } else if (typed && !old) {
        head.append("Transfer-Encoding: chunked\r\n");
    }
    if (close_after_ && !old) head.append("Connection: close\r\n");
    else if (!close_after_ && old) head.append("Connection: keep-alive\r\n");
    return head.append("\r\n");
}

Result<void> Exchange::respond(int status, const Headers& headers, std::string_view body) {
    if (state_ != State::Fresh) return fail(ErrorKind::Internal, "the request was answered already");
    state_ = State::Done;
    decide_reuse();
    auto head = head_text(status, headers, body.size());
    std::string_view pieces[] = {head, body_allowed(status) ? body : std::string_view()};
    auto sent = connection_.send(pieces);
    if (!sent) broken_ = true;
    return sent;
}

Result<void> Exchange::begin_stream(int status, const Headers& headers) {
    if (state_ != State::Fresh) return fail(ErrorKind::Internal, "the request was answered already");
    state_ = State::Streaming;
    stream_has_body_ = body_allowed(status);
    decide_reuse();
    auto sent = connection_.send(head_text(status, headers, std::nullopt));
    if (!sent) broken_ = true;
    return sent;
}

Result<void> Exchange::write_chunk(std::string_view data) {
    if (state_ != State::Streaming) return fail(ErrorKind::Internal, "no stream was begun");
    if (broken_) return fail(ErrorKind::Cancelled, "the client went away");
    if (data.empty() || !stream_has_body_) return {};
    Result<void> sent;
    if (request_.minor_version == 0) {
        sent = connection_.send(data);
    } else {
        char size[20];
        auto end = std::to_chars(size, size + 16, data.size(), 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        std::string_view pieces[] = {{size, static_cast<size_t>(end - size)}, data, "\r\n"};
        sent = connection_.send(pieces);
    }
    if (!sent) broken_ = true;
    return sent;
}

Result<void> Exchange::end_stream() {
    if (state_ != State::Streaming) return fail(ErrorKind::Internal, "no stream was begun");
    state_ = State::Done;
    if (broken_) return fail(ErrorKind::Cancelled, "the client went away");
    if (!stream_has_body_ || request_.minor_version == 0) return {};
    auto sent = connection_.send("0\r\n\r\n");
    if (!sent) broken_ = true;
    return sent;
}

Result<Hijacked> Exchange::hijack(std::string_view raw_response_head) {
    if (state_ != State::Fresh) return fail(ErrorKind::Internal, "the request was answered already");
    state_ = State::Done;
    auto sent = connection_.send(raw_response_head);
    if (!sent) {
        broken_ = true;
        return fail(std::move(sent).error());
    }
    state_ = State::Hijacked;
    return connection_.take();
}

int Exchange::connection_fd() const { return connection_.fd(); }

bool Exchange::client_gone() const {
    if (broken_ || hijacked()) return true;
    pollfd entry{connection_.fd(), POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) > 0;
}

Result<bool> Exchange::wait_event(int event_fd, int timeout_ms) {
    if (broken_ || hijacked()) return fail(ErrorKind::Cancelled, "the client went away");
    int64_t deadline = timeout_ms < 0 ? -1 : monotonic_nanoseconds() + int64_t{timeout_ms} * 1000000;
    for (;;) {
        pollfd entries[] = {{event_fd, POLLIN, 0}, {connection_.fd(), POLLRDHUP, 0}};
        int ready = ::poll(entries, 2, timeout_ms);
        if (ready < 0 && errno != EINTR) return fail_errno("poll");
        if (ready < 0) {
            if (deadline >= 0)
                timeout_ms = static_cast<int>(std::max<int64_t>(0, (deadline - monotonic_nanoseconds()) / 1000000));
            continue;
        }
        if (ready == 0) return false;
        if (entries[0].revents) return true;
        return fail(ErrorKind::Cancelled, "the client went away");
    }
}

std::optional<os::PeerCredentials> Exchange::peer_credentials() const {
    if (!connection_.peer().unix_socket) return std::nullopt;
    auto credentials = os::peer_credentials(connection_.fd());
    if (!credentials) return std::nullopt;
    return *credentials;
}

std::string Exchange::peer_address() const { return connection_.peer().address; }
bool Exchange::is_tls() const { return connection_.peer().tls; }

bool Exchange::drain_body() {
    int64_t deadline = monotonic_nanoseconds() + int64_t{kDrainMs} * 1000000;
    char sink[16 << 10];
    for (uint64_t total = 0; !body_done_;) {
        if (connection_.read_ahead().empty()) {
            auto left_ms = (deadline - monotonic_nanoseconds()) / 1000000;
            auto ready = os::wait_readable(connection_.fd(), static_cast<int>(std::max<int64_t>(left_ms, 0)));
            if (!ready || !*ready) return false;
        }
        auto got = read_body(sink);
        if (!got) return false;
        total += *got;
        if (total > kDrainBytesMax) return false;
    }
    return true;
}

bool Exchange::finish() {
    if (state_ == State::Hijacked) return false;
    if (state_ == State::Fresh) (void)respond(500, {}, {});
    // A stream that its handler left open ends without the last chunk, so that the client can tell.
    if (broken_ || state_ == State::Streaming) return false;
    if (!close_after_ && drain_body()) return true;
    if (has_unread_body()) connection_.linger();
    return false;
}

bool run_handler(Connection& connection, const Handler& handler) {
    Exchange exchange(connection, connection.request());
    try {
        handler(exchange);
    } catch (const std::exception& failure) {
        log::error(concat("handler of ", exchange.request().method_name, ' ', exchange.request().target.raw,
                          " failed: ", failure.what()));
    } catch (...) {
        // pthread_cancel unwinds with an exception that must not be swallowed; nothing here cancels threads.
        log::error(concat("handler of ", exchange.request().target.raw, " failed with an unknown exception"));
    }
    if (!exchange.finish()) return false;
    connection.next_request();
    return true;
}

}  // namespace proa::http
