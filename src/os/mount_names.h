#pragma once
#include <sys/mount.h>

#include <cstdint>
#include <string_view>

// The words of mount(8) for the flags of mount(2), which OCI bundles and volumes share.
namespace proa::os {

/// A mount option that sets or clears flags.
struct MountFlagName {
    std::string_view name;
    bool clear;
    uint64_t flag;
};

inline constexpr uint64_t kNoSymbolicLinks = 256;  ///< MS_NOSYMFOLLOW

/// MS_* of mount(2).
inline constexpr MountFlagName kMountFlagNames[] = {
    {"async", true, MS_SYNCHRONOUS},   {"atime", true, MS_NOATIME},       {"bind", false, MS_BIND},          {"defaults", false, 0},
    {"dev", true, MS_NODEV},           {"diratime", true, MS_NODIRATIME}, {"dirsync", false, MS_DIRSYNC},    {"exec", true, MS_NOEXEC},
    {"iversion", false, MS_I_VERSION}, {"lazytime", false, MS_LAZYTIME},  {"loud", true, MS_SILENT},         {"mand", false, MS_MANDLOCK},
    {"noatime", false, MS_NOATIME},    {"nodev", false, MS_NODEV},        {"nodiratime", false, MS_NODIRATIME}, {"noexec", false, MS_NOEXEC},
    {"noiversion", true, MS_I_VERSION}, {"nolazytime", true, MS_LAZYTIME}, {"nomand", true, MS_MANDLOCK},    {"norelatime", true, MS_RELATIME},
    {"nostrictatime", true, MS_STRICTATIME}, {"nosuid", false, MS_NOSUID}, {"nosymfollow", false, kNoSymbolicLinks}, {"rbind", false, MS_BIND | MS_REC},
    {"relatime", false, MS_RELATIME},  {"remount", false, MS_REMOUNT},    {"ro", false, MS_RDONLY},          {"rw", true, MS_RDONLY},
    {"silent", false, MS_SILENT},      {"strictatime", false, MS_STRICTATIME}, {"suid", true, MS_NOSUID},   {"symfollow", true, kNoSymbolicLinks},
    {"sync", false, MS_SYNCHRONOUS},
};

}  // namespace proa::os
