#include "bundle/reports.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "bundle/config.h"
#include "bundle/mount_options.h"
#include "bundle/state.h"
#include "os/capability.h"

namespace proa::bundle {

Result<std::string> state_report(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    auto value = state_json(directory, TRY(directory.load()));
    value.object()["owner"] = "";
    return json::print(value, {false, "  "});
}

Result<std::string> list_report(const std::string& root, const std::string& format, bool quiet) {
    if (!quiet && format != "table" && format != "json") return fail(ErrorKind::InvalidArgument, "invalid format option");
    json::Array entries;
    for (auto& id : TRY(list_containers(root))) {
        auto directory = StateDirectory::at(root, id);
        auto state = directory ? directory->load() : Result<ContainerState>(fail(ErrorKind::NotFound, ""));
        if (state) entries.push_back(state_json(*directory, *state));
    }
    std::string out;
    if (quiet) {
        for (auto& entry : entries) out += entry["id"].as_string() + "\n";
        return out;
    }
    if (format == "json") return entries.empty() ? "null" : json::print(std::move(entries));
    std::vector<std::vector<std::string>> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
    for (auto& entry : entries)
        rows.push_back({entry["id"].as_string(), concat(entry["pid"].as_int()), entry["status"].as_string(), entry["bundle"].as_string(),
                        entry["created"].as_string(), entry["owner"].as_string()});
    std::vector<size_t> widths(6, 12);
    for (auto& row : rows)
        for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size() + 1);
    for (auto& row : rows) {
        for (size_t i = 0; i < row.size(); i++) {
            out += row[i];
            if (i + 1 < row.size()) out.append(widths[i] - row[i].size(), ' ');
        }
        out += "\n";
    }
    return out;
}

std::string features_report() {
    auto list = [](std::vector<std::string> texts) { return json::Value::strings(texts); };
    std::vector<std::string> capabilities;
    for (int number = 0; !os::capability_name(number).empty(); number++) capabilities.emplace_back(os::capability_name(number));
    json::Object features;
    features["ociVersionMin"] = "1.0.0";
    features["ociVersionMax"] = kSpecVersion;
    features["hooks"] = list({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
    features["mountOptions"] = json::Value::strings(known_mount_options());
    json::Object parts;
    parts["namespaces"] = list({"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"});
    parts["capabilities"] = json::Value::strings(capabilities);
    parts["cgroup"] = json::Object{{"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}};
    parts["seccomp"] = json::Object{
        {"enabled", true},
        {"actions", list({"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                          "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"})},
        {"operators", list({"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"})},
        {"archs", list({"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
                        "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64",
                        "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"})},
        {"knownFlags",
         list({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"})},
        {"supportedFlags",
         list({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"})}};
    parts["apparmor"] = json::Object{{"enabled", true}};
    parts["selinux"] = json::Object{{"enabled", true}};
    parts["intelRdt"] = json::Object{{"enabled", has_resctrl()}, {"schemata", has_resctrl()}, {"monitoring", has_resctrl()}};
    parts["mountExtensions"] = json::Object{{"idmap", json::Object{{"enabled", true}}}};
    parts["netDevices"] = json::Object{{"enabled", true}};
    parts["memoryPolicy"] = json::Object{
        {"modes", list({"MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"})},
        {"flags", list({"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"})}};
    features["linux"] = std::move(parts);
    features["annotations"] = json::Object{{"org.proa.version", PROA_RELEASE}};
    return json::print(std::move(features), {false, "    "});
}

namespace {
json::Value mount_entry(const char* destination, const char* type, const char* source, std::vector<std::string> options) {
    json::Object mount;
    mount["destination"] = destination;
    mount["type"] = type;
    mount["source"] = source;
    if (!options.empty()) mount["options"] = json::Value::strings(options);
    return mount;
}
}  // namespace

std::string specification_template(bool rootless) {
    auto capabilities = json::Value::strings({"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"});
    json::Array namespaces;
    for (auto type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
        if (!rootless || type != std::string_view("network")) namespaces.push_back(json::Object{{"type", type}});
    json::Object process;
    process["terminal"] = true;
    process["user"] = json::Object{{"uid", 0}, {"gid", 0}};
    process["args"] = json::Value::strings({"sh"});
    process["env"] = json::Value::strings({"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"});
    process["cwd"] = "/";
    process["capabilities"] = json::Object{{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}};
    process["rlimits"] = json::Array{json::Object{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}};
    process["noNewPrivileges"] = true;
    json::Object config;
    config["ociVersion"] = kSpecVersion;
    config["process"] = std::move(process);
    config["root"] = json::Object{{"path", "rootfs"}, {"readonly", true}};
    config["hostname"] = "proa";
    config["mounts"] = json::Array{
        mount_entry("/proc", "proc", "proc", {}),
        mount_entry("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
        mount_entry("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
        mount_entry("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
        mount_entry("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
        mount_entry("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
        mount_entry("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
    };
    json::Object parts;
    parts["resources"] = json::Object{{"devices", json::Array{json::Object{{"allow", false}, {"access", "rwm"}}}}};
    parts["namespaces"] = std::move(namespaces);
    parts["maskedPaths"] =
        json::Value::strings({"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                              "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi"});
    parts["readonlyPaths"] = json::Value::strings({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
    if (rootless) {
        // As runc makes it: the network stays the user's own, whose sysfs nobody else may mount, and there is one user and one group.
        parts["namespaces"].array().push_back(json::Object{{"type", "user"}});
        auto own = [](auto id) { return json::Array{json::Object{{"containerID", 0}, {"hostID", id}, {"size", 1}}}; };
        parts["uidMappings"] = own(::geteuid());
        parts["gidMappings"] = own(::getegid());
        parts["resources"] = json::Object();
        for (auto& mount : config["mounts"].array()) {
            if (mount["destination"].as_string() == "/dev/pts")
                mount = mount_entry("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"});
            if (mount["destination"].as_string() == "/sys") mount = mount_entry("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"});
        }
        std::erase_if(config["mounts"].array(), [](auto& mount) { return mount["destination"].as_string() == "/sys/fs/cgroup"; });
    }
    config["linux"] = std::move(parts);
    return json::print(std::move(config), {false, "\t"});
}

}  // namespace proa::bundle
