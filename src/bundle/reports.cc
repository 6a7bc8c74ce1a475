#include "bundle/reports.h"

#include <algorithm>

#include "base/text.h"
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
        rows.push_back({entry["id"].as_string(), concat(entry["pid"].as_int()), entry["status"].as_string(), entry["bundle"].as_string(), entry["created"].as_string(), entry["owner"].as_string()});
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
    features["ociVersionMax"] = "1.2.0";
    features["hooks"] = list({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
    features["mountOptions"] = json::Value::strings(known_mount_options());
    json::Object parts;
    parts["namespaces"] = list({"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"});
    parts["capabilities"] = json::Value::strings(capabilities);
    parts["cgroup"] = json::Object{{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", false}};
    parts["seccomp"] = json::Object{
        {"enabled", true},
        {"actions", list({"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"})},
        {"operators", list({"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"})},
        {"archs", list({"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64",
                        "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"})},
        {"knownFlags", list({"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"})}};
    parts["apparmor"] = json::Object{{"enabled", true}};
    parts["selinux"] = json::Object{{"enabled", true}};
    parts["intelRdt"] = json::Object{{"enabled", false}};
    parts["mountExtensions"] = json::Object{{"idmap", json::Object{{"enabled", true}}}};
    features["linux"] = std::move(parts);
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

std::string specification_template() {
    auto capabilities = json::Value::strings({"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"});
    json::Array namespaces;
    for (auto type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) namespaces.push_back(json::Object{{"type", type}});
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
    config["ociVersion"] = "1.2.0";
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
    parts["maskedPaths"] = json::Value::strings({"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                                                 "/sys/devices/virtual/powercap", "/proc/scsi"});
    parts["readonlyPaths"] = json::Value::strings({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
    config["linux"] = std::move(parts);
    return json::print(std::move(config), {false, "\t"});
}

namespace {
json::Value entries_json(const std::vector<cgroup::BlkioEntry>& entries) {
    json::Array list;
    for (auto& entry : entries) list.push_back(json::Object{{"major", entry.major}, {"minor", entry.minor}, {"op", entry.operation}, {"value", entry.value}});
    return list;
}
}  // namespace

Result<std::string> stats_report(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    if (directory.status(state) == Status::Stopped) return fail(ErrorKind::Conflict, concat("container with id ", id, " is not running"));
    cgroup::Stats stats = TRY(TRY(cgroup::Group::at(state.cgroup_path)).stats());
    json::Array per_cpu;
    for (uint64_t value : stats.cpu_per_cpu) per_cpu.push_back(value);
    json::Object raw;
    for (auto& [name, value] : stats.memory_stat) raw[name] = value;
    auto cache = raw.find(stats.v2 ? "file" : "cache");
    json::Object usage{{"total", stats.cpu_total}, {"kernel", stats.cpu_kernel}, {"user", stats.cpu_user}};
    if (!per_cpu.empty()) usage["percpu"] = std::move(per_cpu);
    json::Object data;
    data["cpu"] = json::Object{{"usage", std::move(usage)},
                               {"throttling", json::Object{{"periods", stats.throttling_periods}, {"throttledPeriods", stats.throttled_periods}, {"throttledTime", stats.throttled_time}}}};
    data["memory"] = json::Object{{"cache", cache ? *cache : json::Value(0)},
                                  {"usage", json::Object{{"limit", stats.memory_limit}, {"usage", stats.memory_usage}, {"max", stats.memory_max_usage}, {"failcnt", stats.memory_failcnt}}},
                                  {"swap", json::Object{{"limit", stats.swap_limit}, {"usage", stats.swap_usage}}},
                                  {"raw", std::move(raw)}};
    data["pids"] = json::Object{{"current", stats.pids_current}, {"limit", stats.pids_limit}};
    data["blkio"] = json::Object{{"ioServiceBytesRecursive", entries_json(stats.io_service_bytes)}, {"ioServicedRecursive", entries_json(stats.io_serviced)}};
    json::Object huge;
    for (auto& page : stats.hugepages) huge[page.page_size] = json::Object{{"usage", page.usage}, {"max", page.max_usage}, {"failcnt", page.failcnt}};
    data["hugetlb"] = std::move(huge);
    json::Object event{{"type", "stats"}, {"id", id}, {"data", std::move(data)}};
    return json::print(std::move(event)) + "\n";
}

Result<std::string> processes_report(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    json::Array pids;
    for (pid_t pid : TRY(TRY(cgroup::Group::at(state.cgroup_path)).processes())) pids.push_back(pid);
    return json::print(std::move(pids));
}

}  // namespace proa::bundle
