#pragma once
#include <string>

#include "codec/json/value.h"
#include "runtime/plan.h"

// An OCI bundle's config.json as a plan. Spec: runtime-spec config.md, config-linux.md
namespace proa::bundle {

/// The newest runtime specification that is understood.
constexpr const char* kSpecVersion = "1.3.0";

struct PlanOptions {
    std::string container_id;
    std::string bundle;           ///< absolute
    std::string seccomp_cache;    ///< directory of compiled filters
    bool no_pivot = false, no_new_keyring = false;
    std::string hook_state;       ///< hook_state_of(): what a seccomp listener gets
    bool rootless = false;        ///< without the rights to set device rules
    bool systemd_cgroup = false;  ///< cgroupsPath is "slice:prefix:name" and names a scope
};

/// Errors: InvalidArgument naming the field; Unsupported for what this runtime does not do.
Result<runtime::Plan> plan_of(const json::Value& config, const PlanOptions& options);

/// config.json's `process` object (also the file of `exec --process`); `defaults` keeps what the object does not say.
/// `seccomp` is linux.seccomp or null.
Result<runtime::Process> process_of(const json::Value& process, const json::Value& seccomp, const PlanOptions& options);

/// What of `linux` holds for every process of the container: personality and memoryPolicy.
Result<void> read_kernel_habits(const json::Value& linux_part, runtime::Process& process);

/// linux.resources (also the file of `update --resources`).
/// `version`: the bundle's ociVersion; a pids limit of 0 is a limit since 1.3.0 and meant "none" before.
Result<cgroup::Limits> limits_of(const json::Value& resources, std::string_view version);

/// linux.cgroupsPath as a path below every hierarchy (Plan::cgroup_path), with the systemd driver as a scope too.
Result<void> read_cgroup(const json::Value& config, const PlanOptions& options, runtime::Plan& plan);

/// The hooks of one kind ("poststop"), and the state that they get (runtime::hook_state_text).
Result<std::vector<runtime::Hook>> hooks_of(const json::Value& config, std::string_view kind);
std::string hook_state_of(const json::Value& config, const std::string& container_id, const std::string& bundle);

/// Refuses values of the wrong type and missing required ones, by their path in the file. Unknown properties are left alone.
Result<void> check_shape(const json::Value& config);
Result<void> check_process_shape(const json::Value& process);
Result<void> check_resources_shape(const json::Value& resources);

/// "0-2,5" as numbers.
Result<std::vector<uint32_t>> number_list(std::string_view text);
Result<uint64_t> capability_mask(const json::Value& names);
std::vector<std::string> string_list(const json::Value& value);

}  // namespace proa::bundle
