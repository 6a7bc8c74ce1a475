// Fuzz target of seccomp profiles: read, and when they are small, compiled; the result is a whole number of instructions.
#include <linux/filter.h>

#include <cstdlib>

#include "seccomp/compile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    auto profile = seccomp::parse_profile(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!profile) return 0;
    size_t names = 0;
    for (auto& rule : profile->rules) names += rule.names.size();
    if (names > 20 || profile->architectures.size() > 4) return 0;
    auto filter = seccomp::compile(*profile, 0xa80425fb);
    if (filter && filter->bpf.size() % sizeof(sock_filter)) abort();
    return 0;
}
