#include "bundle/mount_options.h"

#include <algorithm>

#include "base/text.h"
#include "runtime/oci_names.h"

namespace proa::bundle {

namespace {
using runtime::kMountFlagNames, runtime::kPropagationNames, runtime::kRecursiveFlagNames, runtime::MountFlagName;

template <size_t N>
const MountFlagName* find(const MountFlagName (&table)[N], std::string_view name) {
    auto found = std::find_if(std::begin(table), std::end(table), [&](auto& option) { return option.name == name; });
    return found == std::end(table) ? nullptr : found;
}
}  // namespace

Result<void> apply_mount_options(const std::vector<std::string>& options, runtime::Mount& mount) {
    for (auto& option : options) {
        if (auto* flag = find(kMountFlagNames, option)) {
            if (flag->clear) {
                mount.flags &= ~flag->flag;
                mount.cleared_flags |= flag->flag;
            } else {
                mount.flags |= flag->flag;
                mount.cleared_flags &= ~flag->flag;
            }
            continue;
        }
        if (auto* attribute = find(kRecursiveFlagNames, option)) {
            if (option == "rrelatime") mount.recursive_clear |= MOUNT_ATTR__ATIME;
            else if (attribute->clear) mount.recursive_clear |= attribute->flag & MOUNT_ATTR__ATIME ? static_cast<uint64_t>(MOUNT_ATTR__ATIME) : attribute->flag;
            else mount.recursive_set |= attribute->flag;
            continue;
        }
        auto propagation = std::find_if(std::begin(kPropagationNames), std::end(kPropagationNames), [&](auto& entry) { return entry.first == option; });
        if (propagation != std::end(kPropagationNames)) {
            mount.propagation = propagation->second;
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
    for (auto& option : kMountFlagNames) names.emplace_back(option.name);
    for (auto& option : kRecursiveFlagNames) names.emplace_back(option.name);
    for (auto& entry : kPropagationNames) names.emplace_back(entry.first);
    names.insert(names.end(), {"idmap", "ridmap", "tmpcopyup"});
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace proa::bundle
