#include "bundle/mount_options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>

#include "base/text.h"

namespace proa::bundle {

namespace {
using runtime::Propagation;

constexpr uint64_t kNoSymbolicLinks = 256;  // MS_NOSYMFOLLOW

struct FlagOption {
    std::string_view name;
    bool clear;
    uint64_t flag;
};
constexpr FlagOption kFlags[] = {
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

constexpr struct {
    std::string_view name;
    Propagation propagation;
} kPropagation[] = {
    {"private", Propagation::Private}, {"rprivate", Propagation::RecursivePrivate}, {"shared", Propagation::Shared},
    {"rshared", Propagation::RecursiveShared}, {"slave", Propagation::Slave},      {"rslave", Propagation::RecursiveSlave},
    {"unbindable", Propagation::Unbindable}, {"runbindable", Propagation::RecursiveUnbindable},
};

constexpr FlagOption kRecursive[] = {
    {"rro", false, MOUNT_ATTR_RDONLY},       {"rrw", true, MOUNT_ATTR_RDONLY},         {"rnosuid", false, MOUNT_ATTR_NOSUID},   {"rsuid", true, MOUNT_ATTR_NOSUID},
    {"rnodev", false, MOUNT_ATTR_NODEV},     {"rdev", true, MOUNT_ATTR_NODEV},         {"rnoexec", false, MOUNT_ATTR_NOEXEC},   {"rexec", true, MOUNT_ATTR_NOEXEC},
    {"rnodiratime", false, MOUNT_ATTR_NODIRATIME}, {"rdiratime", true, MOUNT_ATTR_NODIRATIME}, {"rnoatime", false, MOUNT_ATTR_NOATIME}, {"ratime", true, MOUNT_ATTR_NOATIME},
    {"rstrictatime", false, MOUNT_ATTR_STRICTATIME}, {"rnostrictatime", true, MOUNT_ATTR_STRICTATIME}, {"rrelatime", false, 0}, {"rnorelatime", true, 0},
    {"rnosymfollow", false, MOUNT_ATTR_NOSYMFOLLOW}, {"rsymfollow", true, MOUNT_ATTR_NOSYMFOLLOW},
};

template <size_t N>
const FlagOption* find(const FlagOption (&table)[N], std::string_view name) {
    auto found = std::find_if(std::begin(table), std::end(table), [&](auto& option) { return option.name == name; });
    return found == std::end(table) ? nullptr : found;
}
}  // namespace

Result<void> apply_mount_options(const std::vector<std::string>& options, runtime::Mount& mount) {
    for (auto& option : options) {
        if (auto* flag = find(kFlags, option)) {
            if (flag->clear) {
                mount.flags &= ~flag->flag;
                mount.cleared_flags |= flag->flag;
            } else {
                mount.flags |= flag->flag;
                mount.cleared_flags &= ~flag->flag;
            }
            continue;
        }
        if (auto* attribute = find(kRecursive, option)) {
            if (option == "rrelatime") mount.recursive_clear |= MOUNT_ATTR__ATIME;
            else if (attribute->clear) mount.recursive_clear |= attribute->flag & MOUNT_ATTR__ATIME ? static_cast<uint64_t>(MOUNT_ATTR__ATIME) : attribute->flag;
            else mount.recursive_set |= attribute->flag;
            continue;
        }
        auto propagation = std::find_if(std::begin(kPropagation), std::end(kPropagation), [&](auto& entry) { return entry.name == option; });
        if (propagation != std::end(kPropagation)) {
            mount.propagation = propagation->propagation;
        } else if (option == "tmpcopyup") {
            if (mount.type != "tmpfs") return fail(ErrorKind::InvalidArgument, concat("mount option tmpcopyup on ", mount.destination, ": only for tmpfs"));
            mount.copy_up = true;
        } else if (option == "idmap" || option == "ridmap") {
            continue;  // the maps themselves say it
        } else {
            mount.data += concat(mount.data.empty() ? "" : ",", option);
        }
    }
    return {};
}

std::vector<std::string> known_mount_options() {
    std::vector<std::string> names;
    for (auto& option : kFlags) names.emplace_back(option.name);
    for (auto& option : kRecursive) names.emplace_back(option.name);
    for (auto& option : kPropagation) names.emplace_back(option.name);
    names.insert(names.end(), {"idmap", "ridmap", "tmpcopyup"});
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace proa::bundle
