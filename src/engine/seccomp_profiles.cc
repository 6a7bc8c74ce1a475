#include "engine/seccomp_profiles.h"

#include "base/text.h"
#include "os/file.h"
#include "seccomp/oci_profile.h"

namespace proa::engine {

namespace {

constexpr size_t kRememberedMax = 64;

bool is_builtin(const std::string& profile) { return profile.empty() || profile == "builtin" || profile == "default"; }

Result<seccomp::Profile> read_profile(const std::string& profile) {
    std::string text = profile.starts_with('/') ? TRY_WRAP("opening seccomp profile failed", os::read_file(profile, 4 << 20)) : profile;
    return seccomp::parse_profile(text);
}

Result<seccomp::Filter> compile(const std::string& profile, uint64_t capabilities, const std::string& directory) {
    if (is_builtin(profile)) return seccomp::compile_cached(seccomp::default_profile(), capabilities, directory);
    return seccomp::compile_cached(TRY(read_profile(profile)), capabilities, directory);
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

Result<json::Value> SeccompProfiles::oci(const std::string& profile, const runtime::CapabilitySets& capabilities) {
    if (profile == "unconfined") return json::Value();
    if (is_builtin(profile)) return seccomp::oci_profile(seccomp::default_profile(), capabilities.bounding);
    return seccomp::oci_profile(TRY(read_profile(profile)), capabilities.bounding);
}

}  // namespace proa::engine
