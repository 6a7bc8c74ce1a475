#include "cgroup/apply.h"

#include "cgroup/device_filter.h"
#include "cgroup/group.h"
#include "cgroup/kernel_file.h"

namespace proa::cgroup {

Result<void> Group::apply_without_devices(const Limits& limits) const {
    const Hierarchy* unified = layout_->unified();
    if (layout_->version != Version::V2) TRY(apply_v1(*layout_, path_, limits));
    if (unified) return apply_v2(*layout_, *unified, path_, limits);
    if (!limits.unified.empty()) return fail(ErrorKind::Unsupported, "unified resources cannot be set: this host has no cgroup2 mount");
    return {};
}

Result<void> Group::apply_devices(const std::vector<DeviceRule>& rules) const {
    if (rules.empty()) return {};
    DeviceModel model = TRY(reduce_device_rules(rules));
    if (layout_->version == Version::V2) return attach_device_program(unified_directory(), model);
    const Hierarchy* hierarchy = layout_->find("devices");
    if (!hierarchy) return fail(ErrorKind::Unsupported, "device rules cannot be set: this host has no devices cgroup controller");
    std::string directory = directory_in(*hierarchy);
    // Two descriptors for all lines: a start writes a dozen of them.
    os::Fd allow(::open((directory + "/devices.allow").c_str(), O_WRONLY | O_CLOEXEC));
    os::Fd deny(::open((directory + "/devices.deny").c_str(), O_WRONLY | O_CLOEXEC));
    if (!allow || !deny) return fail_errno("open device rules of", directory);
    for (auto& write : device_writes(model))
        if (::write(write.allow ? allow.get() : deny.get(), write.line.data(), write.line.size()) < 0)
            return fail_errno("write", concat(quote(write.line), " to ", directory, write.allow ? "/devices.allow" : "/devices.deny"));
    return {};
}

Result<void> Group::apply(const Limits& limits) const {
    TRY(apply_without_devices(limits));
    return apply_devices(limits.devices);
}

}  // namespace proa::cgroup
