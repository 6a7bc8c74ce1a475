#include "base/text.h"
#include "bundle/config.h"
#include "bundle/config_numbers.h"

// The types of config.json's properties. Spec: config.md, config-linux.md
namespace proa::bundle {

namespace {
enum Type { kText, kNumber, kFlag, kObject, kList, kRequiredText, kRequiredNumber, kRequiredObject };

struct Property {
    const char* path;  ///< from the object that is checked; "[]" stands for each item of a list, "*" for each member of a map
    Type type;
};

constexpr Property kProcess[] = {
    {"terminal", kFlag},
    {"consoleSize", kObject},
    {"consoleSize.height", kRequiredNumber},
    {"consoleSize.width", kRequiredNumber},
    {"cwd", kText},
    {"env", kList},
    {"env[]", kText},
    {"args", kList},
    {"args[]", kText},
    {"commandLine", kText},
    {"rlimits", kList},
    {"rlimits[]", kObject},
    {"rlimits[].type", kRequiredText},
    {"rlimits[].soft", kRequiredNumber},
    {"rlimits[].hard", kRequiredNumber},
    {"apparmorProfile", kText},
    {"noNewPrivileges", kFlag},
    {"oomScoreAdj", kNumber},
    {"selinuxLabel", kText},
    {"capabilities", kObject},
    {"capabilities.*", kList},
    {"capabilities.*[]", kText},
    {"scheduler", kObject},
    {"scheduler.policy", kRequiredText},
    {"scheduler.nice", kNumber},
    {"scheduler.priority", kNumber},
    {"scheduler.flags", kList},
    {"scheduler.flags[]", kText},
    {"scheduler.runtime", kNumber},
    {"scheduler.deadline", kNumber},
    {"scheduler.period", kNumber},
    {"ioPriority", kObject},
    {"ioPriority.class", kRequiredText},
    {"ioPriority.priority", kNumber},
    {"execCPUAffinity", kObject},
    {"execCPUAffinity.initial", kText},
    {"execCPUAffinity.final", kText},
    {"user", kObject},
    {"user.uid", kNumber},
    {"user.gid", kNumber},
    {"user.umask", kNumber},
    {"user.additionalGids", kList},
    {"user.additionalGids[]", kNumber},
};

constexpr Property kResources[] = {
    {"devices", kList},
    {"devices[]", kObject},
    {"devices[].allow", kFlag},
    {"devices[].type", kText},
    {"devices[].major", kNumber},
    {"devices[].minor", kNumber},
    {"devices[].access", kText},
    {"memory", kObject},
    {"memory.limit", kNumber},
    {"memory.reservation", kNumber},
    {"memory.swap", kNumber},
    {"memory.kernel", kNumber},
    {"memory.kernelTCP", kNumber},
    {"memory.swappiness", kNumber},
    {"memory.disableOOMKiller", kFlag},
    {"memory.useHierarchy", kFlag},
    {"memory.checkBeforeUpdate", kFlag},
    {"cpu", kObject},
    {"cpu.shares", kNumber},
    {"cpu.quota", kNumber},
    {"cpu.burst", kNumber},
    {"cpu.period", kNumber},
    {"cpu.realtimeRuntime", kNumber},
    {"cpu.realtimePeriod", kNumber},
    {"cpu.cpus", kText},
    {"cpu.mems", kText},
    {"cpu.idle", kNumber},
    {"blockIO", kObject},
    {"blockIO.weight", kNumber},
    {"blockIO.leafWeight", kNumber},
    {"blockIO.weightDevice", kList},
    {"blockIO.weightDevice[]", kObject},
    {"blockIO.weightDevice[].major", kRequiredNumber},
    {"blockIO.weightDevice[].minor", kRequiredNumber},
    {"blockIO.weightDevice[].weight", kNumber},
    {"blockIO.weightDevice[].leafWeight", kNumber},
    {"blockIO.throttleReadBpsDevice", kList},
    {"blockIO.throttleReadBpsDevice[]", kObject},
    {"blockIO.throttleReadBpsDevice[].rate", kRequiredNumber},
    {"blockIO.throttleWriteBpsDevice", kList},
    {"blockIO.throttleWriteBpsDevice[]", kObject},
    {"blockIO.throttleWriteBpsDevice[].rate", kRequiredNumber},
    {"blockIO.throttleReadIOPSDevice", kList},
    {"blockIO.throttleReadIOPSDevice[]", kObject},
    {"blockIO.throttleReadIOPSDevice[].rate", kRequiredNumber},
    {"blockIO.throttleWriteIOPSDevice", kList},
    {"blockIO.throttleWriteIOPSDevice[]", kObject},
    {"blockIO.throttleWriteIOPSDevice[].rate", kRequiredNumber},
    {"hugepageLimits", kList},
    {"hugepageLimits[]", kObject},
    {"hugepageLimits[].pageSize", kRequiredText},
    {"hugepageLimits[].limit", kRequiredNumber},
    {"network", kObject},
    {"network.classID", kNumber},
    {"network.priorities", kList},
    {"network.priorities[]", kObject},
    {"network.priorities[].name", kRequiredText},
    {"network.priorities[].priority", kRequiredNumber},
    {"pids", kObject},
    {"pids.limit", kNumber},
    {"rdma", kObject},
    {"rdma.*", kObject},
    {"rdma.*.hcaHandles", kNumber},
    {"rdma.*.hcaObjects", kNumber},
    {"unified", kObject},
    {"unified.*", kText},
};

constexpr Property kConfig[] = {
    {"ociVersion", kRequiredText},
    {"root", kRequiredObject},
    {"root.path", kRequiredText},
    {"root.readonly", kFlag},
    {"hostname", kText},
    {"domainname", kText},
    {"mounts", kList},
    {"mounts[]", kObject},
    {"mounts[].destination", kRequiredText},
    {"mounts[].type", kText},
    {"mounts[].source", kText},
    {"mounts[].options", kList},
    {"mounts[].options[]", kText},
    {"mounts[].uidMappings", kList},
    {"mounts[].gidMappings", kList},
    {"hooks", kObject},
    {"hooks.*", kList},
    {"hooks.*[]", kObject},
    {"hooks.*[].path", kRequiredText},
    {"hooks.*[].args", kList},
    {"hooks.*[].args[]", kText},
    {"hooks.*[].env", kList},
    {"hooks.*[].env[]", kText},
    {"hooks.*[].timeout", kNumber},
    {"annotations", kObject},
    {"annotations.*", kText},
    {"process", kObject},
    {"linux", kObject},
    {"linux.namespaces", kList},
    {"linux.namespaces[]", kObject},
    {"linux.namespaces[].type", kRequiredText},
    {"linux.namespaces[].path", kText},
    {"linux.uidMappings", kList},
    {"linux.uidMappings[]", kObject},
    {"linux.gidMappings", kList},
    {"linux.gidMappings[]", kObject},
    {"linux.timeOffsets", kObject},
    {"linux.timeOffsets.*", kObject},
    {"linux.timeOffsets.*.secs", kNumber},
    {"linux.timeOffsets.*.nanosecs", kNumber},
    {"linux.devices", kList},
    {"linux.devices[]", kObject},
    {"linux.devices[].type", kRequiredText},
    {"linux.devices[].path", kRequiredText},
    {"linux.devices[].major", kNumber},
    {"linux.devices[].minor", kNumber},
    {"linux.devices[].fileMode", kNumber},
    {"linux.devices[].uid", kNumber},
    {"linux.devices[].gid", kNumber},
    {"linux.netDevices", kObject},
    {"linux.netDevices.*", kObject},
    {"linux.netDevices.*.name", kText},
    {"linux.cgroupsPath", kText},
    {"linux.resources", kObject},
    {"linux.rootfsPropagation", kText},
    {"linux.seccomp", kObject},
    {"linux.sysctl", kObject},
    {"linux.sysctl.*", kText},
    {"linux.maskedPaths", kList},
    {"linux.maskedPaths[]", kText},
    {"linux.readonlyPaths", kList},
    {"linux.readonlyPaths[]", kText},
    {"linux.mountLabel", kText},
    {"linux.intelRdt", kObject},
    {"linux.intelRdt.closID", kText},
    {"linux.intelRdt.schemata", kList},
    {"linux.intelRdt.schemata[]", kText},
    {"linux.intelRdt.l3CacheSchema", kText},
    {"linux.intelRdt.memBwSchema", kText},
    {"linux.intelRdt.enableMonitoring", kFlag},
    {"linux.memoryPolicy", kObject},
    {"linux.memoryPolicy.mode", kRequiredText},
    {"linux.memoryPolicy.nodes", kText},
    {"linux.memoryPolicy.flags", kList},
    {"linux.memoryPolicy.flags[]", kText},
    {"linux.personality", kObject},
    {"linux.personality.domain", kRequiredText},
    {"linux.personality.flags", kList},
};

bool required(Type type) { return type >= kRequiredText; }

Result<void> check_value(const json::Value& value, Type type, const std::string& where) {
    bool fits = false;
    const char* wanted = "";
    switch (type) {
        case kText:
        case kRequiredText: fits = value.is_string(), wanted = "a string"; break;
        case kNumber:
        case kRequiredNumber: fits = value.is_integer(), wanted = "an integer"; break;
        case kFlag: fits = value.is_bool(), wanted = "true or false"; break;
        case kObject:
        case kRequiredObject: fits = value.is_object(), wanted = "an object"; break;
        case kList: fits = value.is_array(), wanted = "a list"; break;
    }
    if (fits) return {};
    if (value.is_null()) return required(type) ? invalid(concat(where, " is missing")) : Result<void>();
    return invalid(concat(where, " must be ", std::string_view(wanted), ", not ", value.type_name()));
}

/// Walks the rest of a property's path from `value`, which lies at `where`.
Result<void> check_path(const json::Value& value, std::string_view rest, Type type, const std::string& where) {
    if (rest.starts_with("[]")) {
        size_t index = 0;
        for (auto& item : value.as_array()) TRY(check_path(item, rest.substr(2), type, concat(where, '[', index++, ']')));
        return {};
    }
    if (rest.empty()) return check_value(value, type, where);
    if (rest[0] == '.') rest.remove_prefix(1);
    if (!value.is_object()) return {};  // absent; another type has been refused by a line before
    size_t end = std::min(rest.find('.'), rest.find('['));
    std::string_view name = rest.substr(0, end), further = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    std::string prefix = where.empty() ? "" : where + ".";
    if (name != "*") return check_path(value[name], further, type, concat(prefix, name));
    for (auto& member : value.as_object()) TRY(check_path(member.value, further, type, prefix + member.name));
    return {};
}

template <size_t N>
Result<void> check(const Property (&table)[N], const json::Value& value, const std::string& where) {
    if (value.is_null()) return {};
    if (!value.is_object()) return invalid(concat(where.empty() ? "config.json" : where, " must be an object, not ", value.type_name()));
    for (auto& property : table) TRY(check_path(value, property.path, property.type, where));
    return {};
}
}  // namespace

Result<void> check_process_shape(const json::Value& process) { return check(kProcess, process, "process"); }

Result<void> check_resources_shape(const json::Value& resources) { return check(kResources, resources, "linux.resources"); }

Result<void> check_shape(const json::Value& config) {
    if (!config.is_object()) return invalid(concat("config.json must hold an object, not ", config.type_name()));
    TRY(check(kConfig, config, ""));
    return check_process_shape(config["process"]);
}

}  // namespace proa::bundle
