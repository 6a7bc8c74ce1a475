#pragma once
#include "cgroup/limits.h"
#include "engine/parts.h"

// Where containers' cgroups are, and who makes them (docs/decisions.md).
namespace proa::engine {

struct Settings;

enum class CgroupDriver { Cgroupfs, Systemd };
/// `exec-opts` native.cgroupdriver; Cgroupfs when it is not given.
CgroupDriver cgroup_driver(const Settings& settings);
std::string_view name_of(CgroupDriver driver);

/// The cgroup below every hierarchy: "/proa/<id>" unless --cgroup-parent says otherwise, "/system.slice/proa-<id>.scope" with systemd. For a
/// container that runs it is the one of its start, whatever the settings say by now.
std::string cgroup_path(const Parts& parts, const container::Record& record);
/// The unit of the next start; without a name when systemd does not make the cgroup.
cgroup::Scope cgroup_scope(const Parts& parts, const container::Record& record);
/// The directory of the containers that ask for no parent of their own.
std::string default_cgroup_parent(const Settings& settings);

/// Errors: InvalidArgument in Docker's words when the systemd driver gets a parent that is no slice.
Result<void> check_cgroup_parent(CgroupDriver driver, const std::string& parent);

/// Kills what is in the container's cgroup and removes it, if there is one: what a lost shim, or a launch of a killed engine, has left.
void end_remains(const Parts& parts, const container::Record& record);

/// Writes changed limits to a running container, and to its unit.
Result<void> apply_limits(const Parts& parts, const container::Record& record, const cgroup::Limits& limits);

}  // namespace proa::engine
