#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// Capability sets as bit masks: bit n stands for capability number n.
namespace proa::os {

/// "CAP_NET_ADMIN", "NET_ADMIN" or "net_admin".
std::optional<int> capability_from_name(std::string_view name);
std::string capability_name(int number);  ///< "CAP_NET_ADMIN"
constexpr int kCapabilityNamesEnd = 41;   ///< names are known for 0 .. 40
/// All capabilities that the running kernel knows. man: prctl(2), PR_CAPBSET_READ
uint64_t known_capabilities();

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
