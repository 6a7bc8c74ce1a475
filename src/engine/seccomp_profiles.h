#pragma once
#include <map>
#include <mutex>
#include <string>

#include "engine/paths.h"
#include "runtime/plan.h"

namespace proa::engine {

/// Compiled seccomp filters by profile and capabilities, kept in memory and in the data root. Thread-safe.
class SeccompProfiles {
public:
    explicit SeccompProfiles(std::string cache_directory) : cache_directory_(std::move(cache_directory)) {}

    /// The filter for `profile` (JSON text, "builtin" or "", "unconfined": empty) and a process with these capabilities.
    /// Errors: InvalidArgument for a profile that is none.
    Result<std::string> filter(const std::string& profile, const runtime::CapabilitySets& capabilities);

private:
    std::string cache_directory_;
    std::mutex mutex_;
    std::map<std::pair<std::string, uint64_t>, std::string> compiled_;
};

}  // namespace proa::engine
