#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace proa::cgroup {

/// How this host shows its control groups.
enum class Version {
    V1,      ///< controllers on cgroup v1 hierarchies only
    Hybrid,  ///< controllers on v1 hierarchies and a cgroup2 mount beside them
    V2,      ///< one cgroup2 mount at /sys/fs/cgroup
};

struct Hierarchy {
    std::string mount_point;
    std::vector<std::string> controllers;  ///< v1: as mounted, "name=systemd" for a named one; unified: cgroup.controllers of its root
    bool unified = false;

    bool has(std::string_view controller) const;
};

struct Layout {
    Version version = Version::V2;
    std::vector<Hierarchy> hierarchies;  ///< in mount order

    /// The hierarchy that carries `controller`, nullptr when none does.
    const Hierarchy* find(std::string_view controller) const;
    const Hierarchy* unified() const;
};

/// The layout that `mountinfo` (the text of /proc/self/mountinfo) describes; a hierarchy that is mounted twice counts once.
/// Errors: Unsupported when no cgroup file system is mounted.
Result<Layout> parse_layout(std::string_view mountinfo);

/// This host's layout, read once. Thread-safe.
Result<const Layout*> layout();

/// The cgroups of a process: the text of /proc/PID/cgroup as path below the mount of `hierarchy`, "/" when it is not listed.
std::string path_in_hierarchy(std::string_view proc_cgroup, const Hierarchy& hierarchy);

}  // namespace proa::cgroup
