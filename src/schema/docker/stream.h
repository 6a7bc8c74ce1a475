#pragma once
#include <cstdint>
#include <string>
#include <string_view>

// API: the multiplexed stream of attach, exec and logs.
namespace proa::docker {

enum class StreamId : uint8_t { Stdin = 0, Stdout = 1, Stderr = 2, System = 3 };

/// Appends what stands before a payload: the stream's number, three zero bytes, the payload's length in network order.
inline void append_frame_header(std::string& out, StreamId stream, size_t payload_size) {
    auto size = static_cast<uint32_t>(payload_size);
    const char header[] = {static_cast<char>(stream), 0, 0, 0, static_cast<char>(size >> 24), static_cast<char>(size >> 16 & 255), static_cast<char>(size >> 8 & 255),
                           static_cast<char>(size & 255)};
    out.append(header, sizeof header);
}

inline void append_frame(std::string& out, StreamId stream, std::string_view payload) {
    append_frame_header(out, stream, payload.size());
    out.append(payload);
}

}  // namespace proa::docker
