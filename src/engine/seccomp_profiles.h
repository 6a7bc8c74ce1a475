#pragma once
#include <map>
#include <mutex>
#include <string>

#include "codec/json/value.h"
#include "runtime/plan.h"
#include "seccomp/compile.h"

namespace proa::engine {

/// Compiled seccomp filters by profile and capabilities, kept in memory and in the data root. Thread-safe.
class SeccompProfiles {
public:
    explicit SeccompProfiles(std::string cache_directory) : cache_directory_(std::move(cache_directory)) {}

    /// The filter for `profile` (JSON text, a path of the daemon's configuration, "builtin" or "", "unconfined": empty) and a process
    /// with these capabilities. Errors: InvalidArgument for a profile that is none.
    Result<seccomp::Filter> filter(const std::string& profile, const runtime::CapabilitySets& capabilities);

    /// The same as config.json's linux.seccomp, for a runtime that compiles it by itself; null for "unconfined".
    static Result<json::Value> oci(const std::string& profile, const runtime::CapabilitySets& capabilities);

private:
    std::string cache_directory_;
    std::mutex mutex_;
    std::map<std::pair<std::string, uint64_t>, seccomp::Filter> compiled_;
};

}  // namespace proa::engine
