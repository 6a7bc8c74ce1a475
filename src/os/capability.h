#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

// Capability sets as bit masks: bit n stands for capability number n.
namespace proa::os {

/// Number of a capability by its kernel name, with or without "CAP_", any case. man: capabilities(7)
std::optional<int> capability_number(std::string_view name);
/// "CAP_CHOWN" for 0; "" for a number without a known name.
std::string_view capability_name(int number);
/// The capabilities that this process can give to others: its bounding set (bit n: capability n). Read once.
uint64_t all_capabilities();

/// Removes from the calling thread's bounding set what `keep` lacks. Needs CAP_SETPCAP.
Result<void> limit_bounding_set(uint64_t keep);
Result<void> set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable);  ///< man: capset(2)
/// Makes the ambient set exactly `ambient`, which must be inheritable and permitted.
Result<void> set_ambient_set(uint64_t ambient);

struct CapabilityState {
    uint64_t effective = 0, permitted = 0, inheritable = 0;
};
Result<CapabilityState> read_capabilities();

}  // namespace proa::os
