#pragma once
#include <cstdint>
#include <string>
#include <string_view>

// API: the multiplexed stream of attach, exec and logs.
namespace proa::docker {

enum class StreamId : uint8_t { Stdin = 0, Stdout = 1, Stderr = 2, System = 3 };

/// Appends one frame: the stream's number, three zero bytes, the payload's length in network order, the payload.
inline void append_frame(std::string& out, StreamId stream, std::string_view payload) {
    auto size = static_cast<uint32_t>(payload.size());
    out.append({static_cast<char>(stream), 0, 0, 0, static_cast<char>(size >> 24), static_cast<char>(size >> 16 & 255), static_cast<char>(size >> 8 & 255),
                static_cast<char>(size & 255)});
    out.append(payload);
}

}  // namespace proa::docker
