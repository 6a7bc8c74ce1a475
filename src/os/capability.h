#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace proa::os {

/// Number of a capability by its kernel name, with or without "CAP_", any case. man: capabilities(7)
std::optional<int> capability_number(std::string_view name);
/// "CAP_CHOWN" for 0; "" for a number without a known name.
std::string_view capability_name(int number);
/// All capabilities that this kernel has, as a bit set (bit n: capability n). Read once from /proc/sys/kernel/cap_last_cap.
uint64_t all_capabilities();

}  // namespace proa::os
