#include "engine/seccomp_profiles.h"

#include "base/text.h"
#include "os/file.h"
#include "seccomp/profile.h"

namespace proa::engine {

namespace {

constexpr size_t kRememberedMax = 64;

Result<seccomp::Filter> compile(const std::string& profile, uint64_t capabilities, const std::string& directory) {
    if (profile.empty() || profile == "builtin" || profile == "default") return seccomp::compile_cached(seccomp::default_profile(), capabilities, directory);
    std::string text = profile.starts_with('/') ? TRY_WRAP("opening seccomp profile failed", os::read_file(profile, 4 << 20)) : profile;
    return seccomp::compile_cached(TRY(seccomp::parse_profile(text)), capabilities, directory);
}

}  // namespace

Result<seccomp::Filter> SeccompProfiles::filter(const std::string& profile, const runtime::CapabilitySets& capabilities) {
    if (profile == "unconfined") return seccomp::Filter{};
    std::lock_guard lock(mutex_);
    auto key = std::pair{profile, capabilities.bounding};
    if (auto known = compiled_.find(key); known != compiled_.end()) return known->second;
    auto filter = TRY(compile(profile, capabilities.bounding, cache_directory_));
    if (compiled_.size() >= kRememberedMax) compiled_.clear();
    return compiled_[key] = std::move(filter);
}

}  // namespace proa::engine
