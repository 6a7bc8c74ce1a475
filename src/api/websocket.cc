#include "api/websocket.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/text.h"
#include "os/socket.h"

namespace proa::api {

namespace {

constexpr size_t kMessageMax = 1 << 20;
enum Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

uint32_t rotate(uint32_t value, int by) { return value << by | value >> (32 - by); }

/// SHA-1 has no place but in this handshake. (Spec: rfc3174)
std::string sha1(std::string text) {
    std::array<uint32_t, 5> h{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint64_t bits = text.size() * 8;
    text.push_back('\x80');
    while (text.size() % 64 != 56) text.push_back('\0');
    for (int shift = 56; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bits >> shift & 255));
    for (size_t block = 0; block < text.size(); block += 64) {
        std::array<uint32_t, 80> w;
        for (size_t i = 0; i < 16; i++) {
            w[i] = 0;
            for (size_t j = 0; j < 4; j++) w[i] = w[i] << 8 | static_cast<unsigned char>(text[block + 4 * i + j]);
        }
        for (size_t i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = h;
        for (size_t i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    std::string digest;
    for (uint32_t word : h)
        for (int shift = 24; shift >= 0; shift -= 8) digest.push_back(static_cast<char>(word >> shift & 255));
    return digest;
}

std::string make_frame(Opcode opcode, std::string_view payload) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
        frame.push_back(static_cast<char>(payload.size()));
    } else if (payload.size() < 65536) {
        frame.push_back(126);
        frame.push_back(static_cast<char>(payload.size() >> 8));
        frame.push_back(static_cast<char>(payload.size() & 255));
    } else {
        frame.push_back(127);
        for (int shift = 56; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(static_cast<uint64_t>(payload.size()) >> shift & 255));
    }
    frame += payload;
    return frame;
}

struct Frame {
    uint8_t opcode = 0;
    std::string payload;
};

/// Takes one whole frame off the front of `bytes`; nullopt when it is not all there.
Result<std::optional<Frame>> take_frame(std::string& bytes) {
    auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])); };
    if (bytes.size() < 2) return std::optional<Frame>();
    bool masked = byte(1) & 0x80;
    uint64_t length = byte(1) & 0x7f;
    size_t head = 2;
    if (length >= 126) {
        size_t extra = length == 126 ? 2 : 8;
        if (bytes.size() < head + extra) return std::optional<Frame>();
        length = 0;
        for (size_t i = 0; i < extra; i++) length = length << 8 | byte(head + i);
        head += extra;
    }
    if (length > kMessageMax) return fail(ErrorKind::InvalidArgument, "WebSocket message of more than 1 MiB");
    if (!masked) return fail(ErrorKind::InvalidArgument, "WebSocket frame of a client without a mask");
    if (bytes.size() < head + 4 + length) return std::optional<Frame>();
    Frame frame{static_cast<uint8_t>(byte(0) & 15), bytes.substr(head + 4, length)};
    for (size_t i = 0; i < frame.payload.size(); i++) frame.payload[i] = static_cast<char>(frame.payload[i] ^ bytes[head + i % 4]);
    bytes.erase(0, head + 4 + length);
    return std::optional(std::move(frame));
}

}  // namespace

std::string websocket_accept(std::string_view key) { return base64(sha1(concat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))); }

std::optional<std::string> websocket_head(const http::Request& request) {
    auto key = request.headers.get("Sec-WebSocket-Key");
    if (!request.headers.has_token("Upgrade", "websocket") || key.empty()) return std::nullopt;
    return concat("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ", websocket_accept(key), "\r\n\r\n");
}

Result<void> relay_websocket(const os::Fd& client, std::string received, const os::Fd& stream) {
    char buffer[32768];
    bool input_open = true;
    for (;;) {
        while (auto frame = TRY(take_frame(received))) {
            if (frame->opcode == kPing) TRY(os::write_all(client.get(), make_frame(kPong, frame->payload)));
            else if (frame->opcode == kClose) return os::write_all(client.get(), make_frame(kClose, std::string_view(frame->payload).substr(0, 2)));
            else if (frame->opcode <= kBinary && input_open && !os::write_all(stream.get(), frame->payload)) input_open = false;  // nobody reads there
        }
        pollfd ends[] = {{client.get(), POLLIN, 0}, {stream.get(), POLLIN, 0}};
        if (::poll(ends, 2, -1) < 0 && errno != EINTR) return fail_errno("poll");
        if (ends[1].revents != 0) {
            auto got = os::read_some(stream.get(), buffer);
            if (!got || *got == 0) return os::write_all(client.get(), make_frame(kClose, std::string_view("\x03\xe8", 2)));
            TRY(os::write_all(client.get(), make_frame(kBinary, std::string_view(buffer, *got))));
        }
        if (ends[0].revents != 0) {
            auto got = os::read_some(client.get(), buffer);
            if (!got || *got == 0) return {};
            received.append(buffer, *got);
        }
    }
}

}  // namespace proa::api
