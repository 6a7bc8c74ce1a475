#pragma once
#include <string>

#include "codec/json/value.h"
#include "runtime/plan.h"

// An OCI bundle's config.json as a plan. Spec: runtime-spec config.md, config-linux.md
namespace proa::bundle {

struct PlanOptions {
    std::string container_id;
    std::string bundle;           ///< absolute
    std::string seccomp_cache;    ///< directory of compiled filters
    bool no_pivot = false, no_new_keyring = false;
};

/// Errors: InvalidArgument naming the field; Unsupported for what this runtime does not do.
Result<runtime::Plan> plan_of(const json::Value& config, const PlanOptions& options);

/// config.json's `process` object (also the file of `exec --process`); `defaults` keeps what the object does not say.
/// `seccomp` is linux.seccomp or null.
Result<runtime::Process> process_of(const json::Value& process, const json::Value& seccomp, const PlanOptions& options);

/// linux.resources (also the file of `update --resources`).
Result<cgroup::Limits> limits_of(const json::Value& resources);

/// linux.cgroupsPath as a path below every hierarchy.
Result<std::string> cgroup_path_of(const json::Value& config, const std::string& container_id);

/// The hooks of one kind ("poststop"), and the state that they get (runtime::hook_state_text).
Result<std::vector<runtime::Hook>> hooks_of(const json::Value& config, std::string_view kind);
std::string hook_state_of(const json::Value& config, const std::string& container_id, const std::string& bundle);

Result<uint64_t> capability_mask(const json::Value& names);
std::vector<std::string> string_list(const json::Value& value);

}  // namespace proa::bundle
