#include "bundle/config.h"

#include <linux/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <algorithm>

#include "base/text.h"
#include "bundle/config_numbers.h"
#include "bundle/mount_options.h"
#include "bundle/network_devices.h"
#include "cgroup/scope.h"
#include "os/file.h"
#include "runtime/oci_names.h"

namespace proa::bundle {

using runtime::Plan;

namespace {
Result<void> read_namespaces(const json::Value& linux_part, Plan& plan) {
    for (auto& item : linux_part["namespaces"].as_array()) {
        const std::string& name = item["type"].as_string();
        auto known = std::find_if(std::begin(runtime::kNamespaceNames), std::end(runtime::kNamespaceNames), [&](auto& entry) { return entry.first == name; });
        if (known == std::end(runtime::kNamespaceNames)) return invalid(concat("namespace ", quote(name), " does not exist"));
        for (auto& other : plan.namespaces)
            if (other.type == known->second) return invalid(concat("malformed spec file: duplicated ns ", quote(name)));
        const std::string& path = item["path"].as_string();
        if (!path.empty() && path[0] != '/') return invalid(concat("namespace path ", quote(path), " is not an absolute path"));
        plan.namespaces.push_back({known->second, path, -1});
    }
    return {};
}

Result<std::vector<runtime::IdMapping>> read_mappings(const json::Value& list) {
    std::vector<runtime::IdMapping> mappings;
    for (auto& item : list.as_array())
        mappings.push_back({TRY(number<uint32_t>(item["containerID"], "containerID")), TRY(number<uint32_t>(item["hostID"], "hostID")),
                            TRY(number<uint32_t>(item["size"], "size"))});
    return mappings;
}

Result<void> read_mounts(const json::Value& config, const PlanOptions& options, Plan& plan) {
    for (auto& item : config["mounts"].as_array()) {
        runtime::Mount mount;
        mount.destination = item["destination"].as_string();
        if (mount.destination.empty()) return invalid("a mount has no destination");
        if (mount.destination[0] != '/') mount.destination = "/" + mount.destination;  // deprecated: relative to the root
        mount.type = item["type"].as_string();
        mount.source = item["source"].as_string();
        TRY(apply_mount_options(string_list(item["options"]), mount));
        if (mount.type == "bind" && !(mount.flags & MS_BIND)) mount.flags |= MS_BIND;
        if (mount.flags & MS_BIND) {
            mount.type = "bind";
            if (mount.source.empty()) return invalid(concat("bind mount on ", mount.destination, " has no source"));
            if (mount.source[0] != '/') mount.source = os::join_path(options.bundle, mount.source);
            mount.data.clear();  // a bind has no options of a file system; other runtimes drop them too
        }
        mount.is_cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
        if (mount.is_cgroup) mount.data.clear();
        mount.uid_mappings = TRY(read_mappings(item["uidMappings"]));
        mount.gid_mappings = TRY(read_mappings(item["gidMappings"]));
        auto listed = string_list(item["options"]);
        auto lists = [&](std::string_view name) { return std::find(listed.begin(), listed.end(), name) != listed.end(); };
        mount.map_recursively = lists("ridmap");
        if ((lists("idmap") || lists("ridmap")) && mount.uid_mappings.empty() && mount.gid_mappings.empty()) {
            mount.uid_mappings = plan.uid_mappings;
            mount.gid_mappings = plan.gid_mappings;
            if (plan.uid_mappings.empty()) return invalid(concat("idmap on ", mount.destination, " needs uidMappings and gidMappings"));
        }
        if (!mount.uid_mappings.empty() && !(mount.flags & MS_BIND)) return invalid(concat("id mappings on ", mount.destination, ": only for bind mounts"));
        plan.mounts.push_back(std::move(mount));
    }
    return {};
}

const std::vector<runtime::Device>& default_devices() {
    static const std::vector<runtime::Device> kDevices = {{"/dev/null", 'c', 1, 3}, {"/dev/random", 'c', 1, 8}, {"/dev/full", 'c', 1, 7},
                                                          {"/dev/tty", 'c', 5, 0},  {"/dev/zero", 'c', 1, 5},   {"/dev/urandom", 'c', 1, 9}};
    return kDevices;
}

Result<void> read_devices(const json::Value& linux_part, Plan& plan) {
    for (auto& item : linux_part["devices"].as_array()) {
        runtime::Device device;
        device.path = item["path"].as_string();
        const std::string& type = item["type"].as_string();
        if (device.path.empty() || device.path[0] != '/') return invalid(concat("device path ", quote(device.path), " is not absolute"));
        if (type != "c" && type != "b" && type != "p" && type != "u") return invalid(concat("device ", device.path, ": unknown type ", quote(type)));
        device.type = type == "u" ? 'c' : type[0];
        if (type != "p") {
            TRY(read_number(item["major"], "major", device.major));
            TRY(read_number(item["minor"], "minor", device.minor));
        }
        TRY(read_number(item["fileMode"], "fileMode", device.mode));
        TRY(read_number(item["uid"], "uid", device.uid));
        TRY(read_number(item["gid"], "gid", device.gid));
        plan.devices.push_back(std::move(device));
    }
    for (auto& device : default_devices()) {
        bool listed = std::any_of(plan.devices.begin(), plan.devices.end(), [&](auto& other) { return other.path == device.path; });
        if (!listed) plan.devices.push_back(device);
    }
    // What every container may use, whatever the rules before say.
    auto& rules = plan.limits.devices;
    rules.push_back({true, 'c', -1, -1, "m"});
    rules.push_back({true, 'b', -1, -1, "m"});
    for (auto& device : default_devices()) rules.push_back({true, device.type, device.major, device.minor, "rwm"});
    rules.push_back({true, 'c', 136, -1, "rwm"});  // pseudo terminals
    rules.push_back({true, 'c', 5, 2, "rwm"});     // ptmx
    return {};
}

Result<void> read_root(const json::Value& config, const PlanOptions& options, Plan& plan) {
    const std::string& path = config["root"]["path"].as_string();
    if (path.empty()) return invalid("root.path is missing");
    plan.root.directory = path[0] == '/' ? os::clean_path(path) : os::join_path(options.bundle, path);
    plan.root.readonly = config["root"]["readonly"].as_bool();
    plan.root.no_pivot = options.no_pivot;
    if (!os::is_directory(plan.root.directory)) return fail(ErrorKind::NotFound, concat("rootfs (", plan.root.directory, ") does not exist"));
    const std::string& propagation = config["linux"]["rootfsPropagation"].as_string();
    if (propagation.empty()) return {};
    runtime::Mount probe;
    TRY(apply_mount_options({propagation}, probe));
    if (probe.propagation == runtime::Propagation::Unset) return invalid(concat("rootfsPropagation=", propagation, " is not supported"));
    plan.root.propagation = probe.propagation;
    return {};
}

/// sysctls that belong to a namespace which the container does not have would change the host.
Result<void> check_sysctl(const std::string& name, const Plan& plan) {
    auto has = [&](runtime::NamespaceType type) {
        return std::any_of(plan.namespaces.begin(), plan.namespaces.end(), [&](auto& space) { return space.type == type; });
    };
    static constexpr std::string_view kIpc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                                "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    std::string key = replace_all(name, "/", ".");
    if (key.empty() || key[0] == '.' || key.find("..") != std::string::npos) return invalid(concat("sysctl ", quote(name), " is malformed"));
    if (std::find(std::begin(kIpc), std::end(kIpc), key) != std::end(kIpc) || key.starts_with("fs.mqueue.")) {
        if (has(runtime::NamespaceType::Ipc)) return {};
        return invalid(concat("sysctl ", quote(name), " is not allowed in the hosts ipc namespace"));
    }
    if (key.starts_with("net.")) {
        if (has(runtime::NamespaceType::Network)) return {};
        return invalid(concat("sysctl ", quote(name), " not allowed in host network namespace"));
    }
    if (key == "kernel.domainname" || key == "kernel.hostname") {
        if (!has(runtime::NamespaceType::Uts)) return invalid(concat("sysctl ", quote(name), " not allowed in host UTS namespace"));
        if (key == "kernel.hostname")
            return invalid(concat("sysctl ", quote(name), " is not allowed as it conflicts with the OCI ", quote("hostname"), " field"));
        return {};
    }
    if (key.starts_with("user.") && has(runtime::NamespaceType::User)) return {};
    return invalid(concat("sysctl ", quote(name), " is not in a separate kernel namespace"));
}

bool has_namespace(const Plan& plan, runtime::NamespaceType type) {
    return std::any_of(plan.namespaces.begin(), plan.namespaces.end(), [&](auto& space) { return space.type == type; });
}

/// Spec: config-linux.md, memory policy
Result<std::optional<runtime::MemoryPolicy>> memory_policy_of(const json::Value& value) {
    if (!value.is_object()) return std::optional<runtime::MemoryPolicy>();
    static constexpr std::pair<std::string_view, int> kModes[] = {
        {"MPOL_DEFAULT", 0},        {"MPOL_PREFERRED", 1},          {"MPOL_BIND", 2}, {"MPOL_INTERLEAVE", 3}, {"MPOL_LOCAL", 4},
        {"MPOL_PREFERRED_MANY", 5}, {"MPOL_WEIGHTED_INTERLEAVE", 6}};
    static constexpr std::pair<std::string_view, int> kFlags[] = {
        {"MPOL_F_NUMA_BALANCING", 1 << 13}, {"MPOL_F_RELATIVE_NODES", 1 << 14}, {"MPOL_F_STATIC_NODES", 1 << 15}};
    auto find = [](auto& table, const std::string& name) {
        return std::find_if(std::begin(table), std::end(table), [&](auto& entry) { return entry.first == name; });
    };
    auto mode = find(kModes, value["mode"].as_string());
    if (mode == std::end(kModes)) return invalid(concat("memoryPolicy: unknown mode ", quote(value["mode"].as_string())));
    runtime::MemoryPolicy policy{mode->second, TRY_WRAP("memoryPolicy.nodes", number_list(value["nodes"].as_string()))};
    for (auto& name : string_list(value["flags"])) {
        auto flag = find(kFlags, name);
        if (flag == std::end(kFlags)) return invalid(concat("memoryPolicy: unknown flag ", quote(name)));
        policy.mode |= flag->second;
    }
    return std::optional(std::move(policy));
}

Result<void> read_linux(const json::Value& linux_part, Plan& plan) {
    if (!linux_part["mountLabel"].as_string().empty())
        return fail(ErrorKind::Unsupported, "linux.mountLabel cannot be set: SELinux is not enabled on this host");
    auto devices = TRY(network_devices_of(linux_part["netDevices"]));
    if (!devices.empty() && !has_namespace(plan, runtime::NamespaceType::Network)) return invalid("linux.netDevices need a network namespace");
    plan.uid_mappings = TRY(read_mappings(linux_part["uidMappings"]));
    plan.gid_mappings = TRY(read_mappings(linux_part["gidMappings"]));
    plan.masked_paths = string_list(linux_part["maskedPaths"]);
    plan.readonly_paths = string_list(linux_part["readonlyPaths"]);
    if (!linux_part["timeOffsets"].as_object().empty() && !has_namespace(plan, runtime::NamespaceType::Time))
        return invalid("time namespace offsets specified, but time namespace isn't enabled in the config");
    for (auto& member : linux_part["timeOffsets"].as_object()) {
        int clock = member.name == "monotonic" ? CLOCK_MONOTONIC : member.name == "boottime" ? CLOCK_BOOTTIME : -1;
        if (clock < 0) return invalid(concat("timeOffsets: unknown clock ", quote(member.name)));
        runtime::TimeOffset offset{clock, member.value["secs"].as_int(), 0};
        TRY(read_number(member.value["nanosecs"], "nanosecs", offset.nanoseconds));
        plan.time_offsets.push_back(offset);
    }
    for (auto& member : linux_part["sysctl"].as_object()) {
        TRY(check_sysctl(member.name, plan));
        plan.sysctls.push_back({member.name, member.value.as_string()});
    }
    return {};
}

Result<void> check_user_namespace(const Plan& plan) {
    bool user = std::any_of(plan.namespaces.begin(), plan.namespaces.end(), [](auto& space) { return space.type == runtime::NamespaceType::User; });
    if (!user && (!plan.uid_mappings.empty() || !plan.gid_mappings.empty()))
        return invalid("user namespace mappings specified, but user namespace isn't enabled in the config");
    bool made = user && std::any_of(plan.namespaces.begin(), plan.namespaces.end(),
                                    [](auto& space) { return space.type == runtime::NamespaceType::User && space.path.empty(); });
    if (made && (plan.uid_mappings.empty() || plan.gid_mappings.empty())) return invalid("user namespaces enabled, but no uid or gid mappings found");
    auto has = [&](runtime::NamespaceType type) {
        return std::any_of(plan.namespaces.begin(), plan.namespaces.end(), [&](auto& space) { return space.type == type; });
    };
    if (!plan.hostname.empty() && !has(runtime::NamespaceType::Uts)) return invalid("unable to set hostname without a private UTS namespace");
    if (!plan.domainname.empty() && !has(runtime::NamespaceType::Uts)) return invalid("unable to set domainname without a private UTS namespace");
    return {};
}

}  // namespace

Result<std::vector<runtime::Hook>> hooks_of(const json::Value& config, std::string_view kind) {
    std::vector<runtime::Hook> hooks;
    for (auto& item : config["hooks"][kind].as_array()) {
        runtime::Hook hook{item["path"].as_string(), string_list(item["args"]), string_list(item["env"]), 0};
        if (hook.path.empty() || hook.path[0] != '/') return invalid(concat("hook path ", quote(hook.path), " is not absolute"));
        TRY(read_number(item["timeout"], "hook timeout", hook.timeout_seconds));
        if (!item["timeout"].is_null() && hook.timeout_seconds <= 0) return invalid("hook timeout must be greater than zero");
        hooks.push_back(std::move(hook));
    }
    return hooks;
}

std::string hook_state_of(const json::Value& config, const std::string& container_id, const std::string& bundle) {
    json::Object state;
    state["ociVersion"] = config["ociVersion"];
    state["id"] = container_id;
    state["status"] = "@STATUS@";
    state["pid"] = "@PID@";
    state["bundle"] = bundle;
    if (!config["annotations"].as_object().empty()) state["annotations"] = config["annotations"];
    return json::print(std::move(state));
}
std::vector<std::string> string_list(const json::Value& value) {
    std::vector<std::string> list;
    for (auto& item : value.as_array()) list.push_back(item.as_string());
    return list;
}

Result<void> read_kernel_habits(const json::Value& linux_part, runtime::Process& process) {
    process.memory_policy = TRY(memory_policy_of(linux_part["memoryPolicy"]));
    auto& persona = linux_part["personality"];
    if (!persona.is_object()) return {};
    if (!persona["flags"].as_array().empty()) return invalid("personality flags are not supported");
    if (persona["domain"].as_string() == "LINUX") process.personality = PER_LINUX;
    else if (persona["domain"].as_string() == "LINUX32") process.personality = PER_LINUX32;
    else return invalid(concat("unknown personality domain ", quote(persona["domain"].as_string())));
    return {};
}

Result<void> read_cgroup(const json::Value& config, const PlanOptions& options, Plan& plan) {
    const std::string& path = config["linux"]["cgroupsPath"].as_string();
    if (options.systemd_cgroup) {
        plan.cgroup_scope = TRY(cgroup::parse_scope(path.empty() ? concat(":proa:", options.container_id) : path, options.rootless ? "user.slice" : "system.slice"));
        plan.cgroup_path = TRY(cgroup::path_of_scope(plan.cgroup_scope));
        if (options.rootless) plan.cgroup_path.insert(0, TRY(cgroup::group_of_user_manager()));
        return {};
    }
    if (split(path, ':').size() == 3)
        return fail(ErrorKind::Unsupported, concat("cgroupsPath ", quote(path), " is of systemd's form, which needs --systemd-cgroup"));
    plan.cgroup_path = os::clean_path("/" + (path.empty() ? options.container_id : path));
    if (plan.cgroup_path == "/") return invalid("cgroupsPath is the root of the hierarchy");
    return {};
}

Result<Plan> plan_of(const json::Value& config, const PlanOptions& options) {
    TRY(check_shape(config));
    Plan plan;
    plan.container_id = options.container_id;
    const std::string& version = config["ociVersion"].as_string();
    if (!version.starts_with("1.")) return invalid(concat("unsupported spec version ", quote(version)));
    const json::Value& linux_part = config["linux"];
    if (config["process"].is_null()) return invalid("process property must not be empty");
    plan.hostname = config["hostname"].as_string();
    plan.domainname = config["domainname"].as_string();
    TRY(read_namespaces(linux_part, plan));
    TRY(read_linux(linux_part, plan));
    TRY(check_user_namespace(plan));
    TRY(read_root(config, options, plan));
    TRY(read_mounts(config, options, plan));
    TRY(read_cgroup(config, options, plan));
    plan.limits = TRY(limits_of(linux_part["resources"], version));
    TRY(read_devices(linux_part, plan));
    if (options.rootless) plan.limits.devices.clear();  // the kernel already lets such a user make and open nothing
    plan.hook_state = hook_state_of(config, options.container_id, options.bundle);
    PlanOptions with_state = options;
    with_state.hook_state = plan.hook_state;
    plan.process = TRY(process_of(config["process"], linux_part["seccomp"], with_state));
    TRY(read_kernel_habits(linux_part, plan.process));
    plan.prestart_hooks = TRY(hooks_of(config, "prestart"));
    plan.create_runtime_hooks = TRY(hooks_of(config, "createRuntime"));
    plan.create_container_hooks = TRY(hooks_of(config, "createContainer"));
    plan.start_container_hooks = TRY(hooks_of(config, "startContainer"));
    plan.poststart_hooks = TRY(hooks_of(config, "poststart"));
    plan.poststop_hooks = TRY(hooks_of(config, "poststop"));
    return plan;
}

}  // namespace proa::bundle
