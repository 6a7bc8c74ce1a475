#include "engine/container_cgroup.h"

#include "base/log.h"
#include "cgroup/group.h"
#include "cgroup/scope.h"
#include "engine/settings.h"
#include "os/file.h"

namespace proa::engine {

namespace {
constexpr std::string_view kDefaultParent = "/proa", kDefaultSlice = "system.slice";

std::string parent_of(const Parts& parts, const container::Record& record) {
    auto& own = record.host_config.resources.cgroup_parent;
    return own.empty() ? parts.settings()->cgroup_parent : own;
}

/// A slice's path; what is no slice was refused before (check_cgroup_parent).
std::string slice_path(std::string_view slice) { return cgroup::path_of_slice(slice.empty() ? kDefaultSlice : slice).value_or(concat("/", kDefaultSlice)); }
}  // namespace

CgroupDriver cgroup_driver(const Settings& settings) {
    CgroupDriver driver = CgroupDriver::Cgroupfs;
    for (auto& option : settings.exec_opts) {
        auto parts = cut(option, "=");
        if (parts && trim(parts->first) == "native.cgroupdriver") driver = trim(parts->second) == "systemd" ? CgroupDriver::Systemd : CgroupDriver::Cgroupfs;
    }
    return driver;
}

std::string_view name_of(CgroupDriver driver) { return driver == CgroupDriver::Systemd ? "systemd" : "cgroupfs"; }

std::string cgroup_path(const Parts& parts, const container::Record& record) {
    if (record.state.running && !record.cgroup_path.empty()) return record.cgroup_path;
    auto scope = cgroup_scope(parts, record);
    if (!scope.name.empty()) return concat(slice_path(scope.slice), '/', scope.name);
    std::string parent = parent_of(parts, record);
    return os::join_path(concat("/", parent.empty() ? kDefaultParent : parent), record.id);
}

cgroup::Scope cgroup_scope(const Parts& parts, const container::Record& record) {
    if (cgroup_driver(*parts.settings()) == CgroupDriver::Cgroupfs) return {};
    std::string slice = parent_of(parts, record);
    return {slice.empty() ? std::string(kDefaultSlice) : slice, concat("proa-", record.id, ".scope")};
}

std::string default_cgroup_parent(const Settings& settings) {
    if (cgroup_driver(settings) == CgroupDriver::Systemd) return slice_path(settings.cgroup_parent);
    return os::join_path("/", settings.cgroup_parent.empty() ? std::string(kDefaultParent) : settings.cgroup_parent);
}

Result<void> check_cgroup_parent(CgroupDriver driver, const std::string& parent) {
    if (driver == CgroupDriver::Cgroupfs || parent.empty() || cgroup::path_of_slice(parent)) return {};
    return fail(ErrorKind::InvalidArgument, "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
}

void end_remains(const Parts& parts, const container::Record& record) {
    auto group = cgroup::Group::at(cgroup_path(parts, record));
    if (!group || !group->exists()) return;
    auto killed = group->kill_all();
    auto removed = group->remove();
    for (auto* step : {&killed, &removed})
        if (!*step) log::warn(concat("what container ", record.id, " left could not be removed: ", step->error().message()));
}

Result<void> apply_limits(const Parts& parts, const container::Record& record, const cgroup::Limits& limits) {
    std::string path = cgroup_path(parts, record);
    if (path.ends_with(".scope")) TRY(cgroup::set_scope_limits(path, limits));
    return TRY(cgroup::Group::at(path)).apply_without_devices(limits);
}

}  // namespace proa::engine
