#pragma once
#include <linux/mount.h>
#include <sys/resource.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "os/mount_names.h"
#include "runtime/plan.h"

// The OCI runtime specification's names for what a plan holds as numbers: read from a bundle, written for another runtime.
// Spec: config.md, config-linux.md
namespace proa::runtime {

inline constexpr std::pair<std::string_view, NamespaceType> kNamespaceNames[] = {
    {"mount", NamespaceType::Mount}, {"network", NamespaceType::Network}, {"pid", NamespaceType::Pid},       {"ipc", NamespaceType::Ipc},
    {"uts", NamespaceType::Uts},     {"user", NamespaceType::User},       {"cgroup", NamespaceType::Cgroup}, {"time", NamespaceType::Time},
};

inline constexpr std::pair<std::string_view, int> kRlimitNames[] = {
    {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_FSIZE", RLIMIT_FSIZE},   {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_STACK", RLIMIT_STACK},
    {"RLIMIT_CORE", RLIMIT_CORE},       {"RLIMIT_RSS", RLIMIT_RSS},       {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_AS", RLIMIT_AS},         {"RLIMIT_LOCKS", RLIMIT_LOCKS},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},   {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
};

using os::kMountFlagNames, os::MountFlagName;

/// MOUNT_ATTR_* of mount_setattr(2), applied to all mounts below as well.
inline constexpr MountFlagName kRecursiveFlagNames[] = {
    {"rro", false, MOUNT_ATTR_RDONLY},       {"rrw", true, MOUNT_ATTR_RDONLY},         {"rnosuid", false, MOUNT_ATTR_NOSUID},   {"rsuid", true, MOUNT_ATTR_NOSUID},
    {"rnodev", false, MOUNT_ATTR_NODEV},     {"rdev", true, MOUNT_ATTR_NODEV},         {"rnoexec", false, MOUNT_ATTR_NOEXEC},   {"rexec", true, MOUNT_ATTR_NOEXEC},
    {"rnodiratime", false, MOUNT_ATTR_NODIRATIME}, {"rdiratime", true, MOUNT_ATTR_NODIRATIME}, {"rnoatime", false, MOUNT_ATTR_NOATIME}, {"ratime", true, MOUNT_ATTR_NOATIME},
    {"rstrictatime", false, MOUNT_ATTR_STRICTATIME}, {"rnostrictatime", true, MOUNT_ATTR_STRICTATIME}, {"rrelatime", false, 0}, {"rnorelatime", true, 0},
    {"rnosymfollow", false, MOUNT_ATTR_NOSYMFOLLOW}, {"rsymfollow", true, MOUNT_ATTR_NOSYMFOLLOW},
};

inline constexpr std::pair<std::string_view, Propagation> kPropagationNames[] = {
    {"private", Propagation::Private}, {"rprivate", Propagation::RecursivePrivate}, {"shared", Propagation::Shared},
    {"rshared", Propagation::RecursiveShared}, {"slave", Propagation::Slave},      {"rslave", Propagation::RecursiveSlave},
    {"unbindable", Propagation::Unbindable}, {"runbindable", Propagation::RecursiveUnbindable},
};

}  // namespace proa::runtime
