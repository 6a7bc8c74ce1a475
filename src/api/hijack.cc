#include "api/hijack.h"

#include "api/errors.h"
#include "base/text.h"

namespace proa::api {

namespace {
constexpr std::string_view kRawStream = "application/vnd.docker.raw-stream";
constexpr std::string_view kMultiplexedStream = "application/vnd.docker.multiplexed-stream";
constexpr ApiVersion kFirstMultiplexedType{1, 42};

/// Without the empty line that ends it.
std::string stream_head(const Call& call, bool tty) {
    if (!wants_upgrade(call)) return concat("HTTP/1.1 200 OK\r\nContent-Type: ", kRawStream, "\r\n");
    auto type = !tty && call.version() >= kFirstMultiplexedType ? kMultiplexedStream : kRawStream;
    return concat("HTTP/1.1 101 UPGRADED\r\nContent-Type: ", type, "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n");
}
}  // namespace

bool wants_upgrade(const Call& call) { return call.request().headers.has("Upgrade"); }

std::string attach_head(const Call& call, bool tty) { return stream_head(call, tty) + "\r\n"; }

std::string exec_start_head(const Call& call, bool tty) {
    auto head = stream_head(call, tty);
    for (auto& [name, value] : call.headers()) head += concat(name, ": ", value, "\r\n");
    return head + "\r\n";
}

std::string switching_protocols_head(std::string_view protocol) {
    return concat("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ", protocol, "\r\n\r\n");
}

Result<void> respond_attach_error(Call& call, const Error& error) {
    int status = status_of(error.kind());
    auto head = concat("HTTP/1.1 ", status, ' ', http::status_text(status), "\r\nContent-Type: ", kRawStream, "\r\n\r\n");
    auto connection = TRY(call.exchange().hijack(head + error.message() + "\r\n"));
    return {};
}

}  // namespace proa::api
