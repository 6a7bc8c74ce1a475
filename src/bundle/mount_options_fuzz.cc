// Fuzz target of mount options, separated by commas: no flag is both set and cleared, and only unknown words reach the file system.
#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "bundle/mount_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    static const auto kKnown = bundle::known_mount_options();
    runtime::Mount mount;
    mount.type = "tmpfs";
    auto options = split(std::string_view(reinterpret_cast<const char*>(data), size), ',');
    if (!bundle::apply_mount_options(options, mount)) return 0;
    if (mount.flags & mount.cleared_flags) abort();
    for (auto& word : split_nonempty(mount.data, ','))
        if (std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end()) abort();
    return 0;
}
