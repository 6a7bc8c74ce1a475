#pragma once
#include <string>
#include <string_view>

namespace proa {

/// A fresh random identifier: 64 lower-case hex digits from the kernel's generator, never all digits in its first twelve
/// (so that a short id is a valid host name and never reads as a number).
std::string random_id();
/// `bytes` random bytes as hex.
std::string random_hex(size_t bytes);
inline std::string_view short_id(std::string_view id) { return id.substr(0, 12); }
bool is_full_id(std::string_view text);  ///< 64 lower-case hex digits

}  // namespace proa
