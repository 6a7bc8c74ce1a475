#include "container/oci_config.h"

#include <time.h>

#include <algorithm>

#include "base/text.h"
#include "os/capability.h"
#include "runtime/launch.h"
#include "runtime/oci_names.h"

namespace proa::container {

namespace {

using runtime::Plan;
using runtime::Process;
using runtime::Propagation;

constexpr const char* kVersion = "1.0.2";

Unexpected unsupported(std::string_view what) { return fail(ErrorKind::Unsupported, concat(what, " is not supported with a runtime other than the built-in one")); }

/// The name of `value` in one of the tables of pairs; "" when it has none.
template <class Table, class T>
std::string_view name_in(const Table& table, T value) {
    auto found = std::find_if(std::begin(table), std::end(table), [&](auto& entry) { return entry.second == value; });
    return found == std::end(table) ? std::string_view() : found->first;
}

template <class T>
void set_if(json::Object& object, std::string_view name, const std::optional<T>& value) {
    if (value) object.set(name, *value);
}
void set_if(json::Object& object, std::string_view name, const std::string& value) {
    if (!value.empty()) object.set(name, value);
}
void set_if(json::Object& object, std::string_view name, json::Array value) {
    if (!value.empty()) object.set(name, std::move(value));
}
void set_if(json::Object& object, std::string_view name, json::Object value) {
    if (!value.empty()) object.set(name, std::move(value));
}

json::Value capability_names(uint64_t set) {
    json::Array names;
    for (int number = 0; number < 64; number++)
        if (auto name = os::capability_name(number); set >> number & 1 && !name.empty()) names.push_back(name);
    return names;
}

json::Value user_value(const Process& process, const runtime::Identity& identity) {
    json::Object user{{"uid", identity.uid}, {"gid", identity.gid}};
    set_if(user, "umask", process.umask);
    json::Array groups;
    for (gid_t gid : identity.groups) groups.push_back(gid);
    set_if(user, "additionalGids", std::move(groups));
    return user;
}

json::Value environment_of(const Process& process, const runtime::Identity& identity) {
    auto environment = process.env;
    bool has_home = std::any_of(environment.begin(), environment.end(), [](auto& entry) { return entry.starts_with("HOME="); });
    if (!has_home) environment.push_back("HOME=" + identity.home);
    return json::Value::strings(environment);
}

Result<json::Value> process_value(const Process& process, const runtime::Identity& identity) {
    if (process.io_priority || process.scheduler || process.personality) return unsupported("a scheduling priority or personality");
    if (process.seccomp_listener) return unsupported("a seccomp listener");
    json::Object value;
    value.set("terminal", process.terminal);
    if (process.console_height != 0 || process.console_width != 0)
        value.set("consoleSize", json::Object{{"height", process.console_height}, {"width", process.console_width}});
    value.set("user", user_value(process, identity));
    value.set("args", json::Value::strings(process.args));
    value.set("env", environment_of(process, identity));
    value.set("cwd", process.cwd);
    auto& sets = process.capabilities;
    value.set("capabilities", json::Object{{"bounding", capability_names(sets.bounding)},
                                           {"effective", capability_names(sets.effective)},
                                           {"inheritable", capability_names(sets.inheritable)},
                                           {"permitted", capability_names(sets.permitted)},
                                           {"ambient", capability_names(sets.ambient)}});
    json::Array rlimits;
    for (auto& limit : process.rlimits) {
        auto name = name_in(runtime::kRlimitNames, limit.resource);
        rlimits.push_back(json::Object{{"type", name}, {"hard", limit.hard}, {"soft", limit.soft}});
    }
    set_if(value, "rlimits", std::move(rlimits));
    value.set("noNewPrivileges", process.no_new_privileges);
    set_if(value, "apparmorProfile", process.apparmor_profile);
    set_if(value, "selinuxLabel", process.selinux_label);
    set_if(value, "oomScoreAdj", process.oom_score_adj);
    return value;
}

Result<json::Value> namespaces_value(const Plan& plan, const OciFacts& facts) {
    json::Array list;
    for (auto& space : plan.namespaces) {
        json::Object one{{"type", name_in(runtime::kNamespaceNames, space.type)}};
        if (!space.path.empty()) one.set("path", space.path);
        else if (space.descriptor >= 0) {
            auto index = static_cast<size_t>(space.descriptor);
            if (index >= facts.descriptor_paths.size()) return fail(ErrorKind::Internal, "a namespace's descriptor has no path");
            one.set("path", facts.descriptor_paths[index]);
        }
        list.push_back(std::move(one));
    }
    return list;
}

json::Array mappings_value(const std::vector<runtime::IdMapping>& mappings) {
    json::Array list;
    for (auto& mapping : mappings)
        list.push_back(json::Object{{"containerID", mapping.container_id}, {"hostID", mapping.host_id}, {"size", mapping.size}});
    return list;
}

json::Value mount_options(const runtime::Mount& mount) {
    json::Array options;
    bool bind = mount.flags & MS_BIND;
    if (bind) options.push_back(mount.flags & MS_REC ? "rbind" : "bind");
    for (auto& known : runtime::kMountFlagNames) {
        if (known.flag == 0 || known.flag & MS_BIND) continue;
        if ((known.clear ? mount.cleared_flags : mount.flags) & known.flag) options.push_back(known.name);
    }
    for (auto& known : runtime::kRecursiveFlagNames) {
        // Of the access time choices a cleared one is always the kernel's default, rrelatime.
        if (known.flag == 0 || (known.clear && known.flag & MOUNT_ATTR__ATIME)) continue;
        if ((known.clear ? mount.recursive_clear : mount.recursive_set) & known.flag) options.push_back(known.name);
    }
    if (mount.recursive_clear & MOUNT_ATTR__ATIME && !(mount.recursive_set & MOUNT_ATTR__ATIME)) options.push_back("rrelatime");
    // Runtimes that do not know it take it for data, which a bind has no use for.
    bool recursive = mount.recursive_readonly_if_possible && bind && mount.flags & MS_REC && mount.flags & MS_RDONLY;
    if (recursive && !(mount.recursive_set & MOUNT_ATTR_RDONLY)) options.push_back("rro");
    if (mount.propagation != Propagation::Unset) options.push_back(name_in(runtime::kPropagationNames, mount.propagation));
    if (mount.copy_up) options.push_back("tmpcopyup");
    for (auto& option : split_nonempty(mount.data, ',')) options.push_back(option);
    return options;
}

bool is_shared(Propagation propagation) { return propagation == Propagation::Shared || propagation == Propagation::RecursiveShared; }

Result<json::Value> mounts_value(const Plan& plan, const OciFacts& facts) {
    json::Array list;
    for (size_t i = 0; i < plan.mounts.size(); i++) {
        auto& mount = plan.mounts[i];
        if (mount.descriptor >= 0 && facts.mount_prefix.empty()) return unsupported(concat("a mount on ", mount.destination, " by descriptor"));
        std::string source = mount.descriptor >= 0 ? concat(facts.mount_prefix, i) : mount.source;
        // The root file system lives in a mount namespace of the shim's own, which passes nothing back to the host.
        if (is_shared(mount.propagation)) return unsupported(concat("shared bind propagation on ", mount.destination));
        json::Object one{{"destination", mount.destination}, {"type", mount.flags & MS_BIND ? "bind" : mount.type}, {"source", source}};
        one.set("options", mount_options(mount));
        set_if(one, "uidMappings", mappings_value(mount.uid_mappings));
        set_if(one, "gidMappings", mappings_value(mount.gid_mappings));
        list.push_back(std::move(one));
    }
    return list;
}

json::Value devices_value(const std::vector<runtime::Device>& devices) {
    json::Array list;
    for (auto& device : devices) {
        json::Object one{{"type", std::string(1, device.type)}, {"path", device.path}};
        if (device.type != 'p') {
            one.set("major", device.major);
            one.set("minor", device.minor);
        }
        one.set("fileMode", device.mode);
        one.set("uid", device.uid);
        one.set("gid", device.gid);
        list.push_back(std::move(one));
    }
    return list;
}

json::Array rates_value(const std::vector<cgroup::DeviceRate>& rates) {
    json::Array list;
    for (auto& rate : rates) list.push_back(json::Object{{"major", rate.major}, {"minor", rate.minor}, {"rate", rate.rate}});
    return list;
}

json::Object block_io_value(const cgroup::Limits& limits) {
    json::Object io;
    set_if(io, "weight", limits.blkio_weight);
    set_if(io, "leafWeight", limits.blkio_leaf_weight);
    json::Array weights;
    for (auto& device : limits.blkio_weight_device) {
        json::Object one{{"major", device.major}, {"minor", device.minor}};
        set_if(one, "weight", device.weight);
        set_if(one, "leafWeight", device.leaf_weight);
        weights.push_back(std::move(one));
    }
    set_if(io, "weightDevice", std::move(weights));
    set_if(io, "throttleReadBpsDevice", rates_value(limits.read_bps));
    set_if(io, "throttleWriteBpsDevice", rates_value(limits.write_bps));
    set_if(io, "throttleReadIOPSDevice", rates_value(limits.read_iops));
    set_if(io, "throttleWriteIOPSDevice", rates_value(limits.write_iops));
    return io;
}

json::Object memory_value(const cgroup::Limits& limits) {
    json::Object memory;
    set_if(memory, "limit", limits.memory_limit);
    set_if(memory, "reservation", limits.memory_reservation);
    set_if(memory, "swap", limits.memory_swap);
    set_if(memory, "kernelTCP", limits.kernel_memory_tcp);
    set_if(memory, "swappiness", limits.memory_swappiness);
    set_if(memory, "disableOOMKiller", limits.oom_kill_disable);
    return memory;
}

json::Object cpu_value(const cgroup::Limits& limits) {
    json::Object cpu;
    set_if(cpu, "shares", limits.cpu_shares);
    set_if(cpu, "quota", limits.cpu_quota);
    set_if(cpu, "period", limits.cpu_period);
    set_if(cpu, "burst", limits.cpu_burst);
    set_if(cpu, "realtimeRuntime", limits.cpu_realtime_runtime);
    set_if(cpu, "realtimePeriod", limits.cpu_realtime_period);
    set_if(cpu, "idle", limits.cpu_idle);
    set_if(cpu, "cpus", limits.cpuset_cpus);
    set_if(cpu, "mems", limits.cpuset_mems);
    return cpu;
}

json::Value device_rules_value(const std::vector<cgroup::DeviceRule>& rules) {
    json::Array list;
    for (auto& rule : rules) {
        json::Object one{{"allow", rule.allow}, {"type", std::string(1, rule.type)}};
        if (rule.major >= 0) one.set("major", rule.major);
        if (rule.minor >= 0) one.set("minor", rule.minor);
        one.set("access", rule.access);
        list.push_back(std::move(one));
    }
    return list;
}

json::Object names_and_values(const std::vector<cgroup::NameValue>& pairs) {
    json::Object object;
    for (auto& pair : pairs) object.set(pair.name, pair.value);
    return object;
}

json::Value resources_value(const cgroup::Limits& limits) {
    json::Object resources;
    resources.set("devices", device_rules_value(limits.devices));
    set_if(resources, "memory", memory_value(limits));
    set_if(resources, "cpu", cpu_value(limits));
    if (limits.pids_limit) resources.set("pids", json::Object{{"limit", *limits.pids_limit}});
    set_if(resources, "blockIO", block_io_value(limits));
    json::Array pages;
    for (auto& page : limits.hugepages) pages.push_back(json::Object{{"pageSize", page.page_size}, {"limit", page.limit}});
    set_if(resources, "hugepageLimits", std::move(pages));
    set_if(resources, "unified", names_and_values(limits.unified));
    return resources;
}

json::Object time_offsets_value(const std::vector<runtime::TimeOffset>& offsets) {
    json::Object object;
    for (auto& offset : offsets)
        object.set(offset.clock == CLOCK_MONOTONIC ? "monotonic" : "boottime", json::Object{{"secs", offset.seconds}, {"nanosecs", offset.nanoseconds}});
    return object;
}

/// With a scope it is the form that runtimes take with --systemd-cgroup: "slice:prefix:name".
std::string cgroups_path(const Plan& plan) {
    auto& scope = plan.cgroup_scope;
    auto stem = cut(trim_suffix(scope.name, ".scope"), "-");
    return stem ? concat(scope.slice, ':', stem->first, ':', stem->second) : plan.cgroup_path;
}

Result<json::Value> linux_value(const Plan& plan, const OciFacts& facts) {
    json::Object value;
    value.set("namespaces", TRY(namespaces_value(plan, facts)));
    set_if(value, "uidMappings", mappings_value(plan.uid_mappings));
    set_if(value, "gidMappings", mappings_value(plan.gid_mappings));
    set_if(value, "timeOffsets", time_offsets_value(plan.time_offsets));
    value.set("devices", devices_value(plan.devices));
    value.set("cgroupsPath", cgroups_path(plan));
    value.set("resources", resources_value(plan.limits));
    auto sysctls = names_and_values(plan.sysctls);
    // config.json has a field for it since 1.1 only, and runtimes of before pass over that.
    if (!plan.domainname.empty() && !sysctls.find("kernel.domainname")) sysctls.set("kernel.domainname", plan.domainname);
    set_if(value, "sysctl", std::move(sysctls));
    if (!facts.seccomp.is_null()) value.set("seccomp", facts.seccomp);
    if (is_shared(plan.root.propagation)) return unsupported("a shared root file system");
    if (plan.root.propagation != Propagation::Unset) value.set("rootfsPropagation", name_in(runtime::kPropagationNames, plan.root.propagation));
    value.set("maskedPaths", json::Value::strings(plan.masked_paths));
    value.set("readonlyPaths", json::Value::strings(plan.readonly_paths));
    return value;
}

}  // namespace

Result<std::string> oci_config(const Plan& plan, const OciFacts& facts) {
    if (!plan.init_path.empty()) return oci_config(runtime::with_init(plan), facts);
    for (auto* hooks : {&plan.prestart_hooks, &plan.create_runtime_hooks, &plan.create_container_hooks, &plan.start_container_hooks,
                        &plan.poststart_hooks, &plan.poststop_hooks})
        if (!hooks->empty()) return unsupported("a hook");
    json::Object config{{"ociVersion", kVersion}};
    config.set("process", TRY(process_value(plan.process, facts.identity)));
    config.set("root", json::Object{{"path", facts.root_path}, {"readonly", plan.root.readonly}});
    set_if(config, "hostname", plan.hostname);
    config.set("mounts", TRY(mounts_value(plan, facts)));
    config.set("linux", TRY(linux_value(plan, facts)));
    return json::print(std::move(config));
}

Result<std::string> oci_process(const Process& process, const runtime::Identity& identity) {
    return json::print(TRY(process_value(process, identity)));
}

}  // namespace proa::container
