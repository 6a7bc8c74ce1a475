#include <cstdint>

#include "dockerfile/ignore.h"

// The patterns before the first zero byte against the path behind it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa::dockerfile;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    size_t zero = text.find('\0');
    auto patterns = IgnorePatterns::parse(text.substr(0, zero));
    if (!patterns || zero == text.npos) return 0;
    (void)patterns->excludes(text.substr(zero + 1));
    (void)patterns->may_include_below(text.substr(zero + 1));
    (void)match_path(text.substr(0, zero), text.substr(zero + 1));
    return 0;
}
