#include "container/plan.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "os/capability.h"
#include "os/file.h"

namespace proa::container {

namespace {

using runtime::Mount;
using runtime::NamespaceType;
using runtime::Propagation;

constexpr std::string_view kDefaultCapabilities[] = {"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID",
                                                     "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"};

struct NamedRlimit {
    std::string_view name;
    int number;
};
constexpr NamedRlimit kRlimits[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}};

Result<uint64_t> capability_bits(const docker::Strings& names, std::string_view what) {
    uint64_t bits = 0;
    for (auto& name : names.value_or(std::vector<std::string>())) {
        if (equals_ignoring_case(name, "ALL")) {
            bits |= os::all_capabilities();
            continue;
        }
        auto number = os::capability_number(name);
        if (!number || !(os::all_capabilities() >> *number & 1)) {
            std::string full = to_upper(name);
            if (!full.starts_with("CAP_")) full = "CAP_" + full;
            return fail(ErrorKind::InvalidArgument, concat("invalid ", what, ": unknown capability: \"", full, "\""));
        }
        bits |= uint64_t{1} << *number;
    }
    return bits;
}

bool has_all(const docker::Strings& names) {
    for (auto& name : names.value_or(std::vector<std::string>()))
        if (equals_ignoring_case(name, "ALL")) return true;
    return false;
}

Mount special_mount(std::string destination, std::string type, std::string source, uint64_t flags, std::string data = "") {
    Mount mount;
    mount.destination = std::move(destination);
    mount.type = std::move(type);
    mount.source = std::move(source);
    mount.flags = flags;
    mount.data = std::move(data);
    return mount;
}

Mount bind_mount(std::string source, std::string destination, bool readonly) {
    Mount mount;
    mount.source = std::move(source);
    mount.destination = std::move(destination);
    mount.type = "bind";
    mount.flags = MS_BIND | MS_REC | (readonly ? MS_RDONLY : 0);
    mount.propagation = Propagation::RecursivePrivate;
    return mount;
}

void add_default_mounts(std::vector<Mount>& mounts, const docker::HostConfig& host, const PlanInputs& inputs) {
    constexpr uint64_t kStrict = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    uint64_t readonly = host.privileged ? 0 : static_cast<uint64_t>(MS_RDONLY);
    mounts.push_back(special_mount("/proc", "proc", "proc", kStrict));
    mounts.push_back(special_mount("/dev", "tmpfs", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    mounts.push_back(special_mount("/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    mounts.push_back(special_mount("/sys", "sysfs", "sysfs", kStrict | readonly));
    Mount cgroups = special_mount("/sys/fs/cgroup", "cgroup", "cgroup", kStrict | readonly);
    cgroups.is_cgroup = true;
    mounts.push_back(std::move(cgroups));
    // A user namespace that does not own the IPC namespace may not mount its queues: the host's mount of them stands in.
    if (host.ipc_mode != "host" || inputs.user_mappings.empty()) mounts.push_back(special_mount("/dev/mqueue", "mqueue", "mqueue", kStrict));
    else if (os::is_directory("/dev/mqueue")) mounts.push_back(bind_mount("/dev/mqueue", "/dev/mqueue", false));
    if (host.ipc_mode == "host") {
        mounts.push_back(bind_mount("/dev/shm", "/dev/shm", false));
    } else if (inputs.ipc_pid != 0) {
        mounts.push_back(bind_mount("shm", "/dev/shm", false));
        mounts.back().descriptor = inputs.shm_descriptor;
    } else if (host.ipc_mode != "none") {
        int64_t size = host.shm_size > 0 ? host.shm_size : inputs.default_shm_size;
        mounts.push_back(special_mount("/dev/shm", "tmpfs", "shm", kStrict, concat("mode=1777,size=", size)));
    }
}

Propagation propagation_from(std::string_view name, Propagation otherwise) {
    if (name == "private") return Propagation::Private;
    if (name == "rprivate") return Propagation::RecursivePrivate;
    if (name == "shared") return Propagation::Shared;
    if (name == "rshared") return Propagation::RecursiveShared;
    if (name == "slave") return Propagation::Slave;
    if (name == "rslave") return Propagation::RecursiveSlave;
    return otherwise;
}

/// Options of --tmpfs ("size=1m,noexec"): flags go to mount flags, the rest stays data.
Result<Mount> tmpfs_mount(const std::string& destination, std::string_view options) {
    struct Flag {
        std::string_view name;
        uint64_t set, clear;
    };
    static constexpr Flag kFlags[] = {
        {"ro", MS_RDONLY, 0}, {"rw", 0, MS_RDONLY}, {"noexec", MS_NOEXEC, 0}, {"exec", 0, MS_NOEXEC}, {"nosuid", MS_NOSUID, 0},
        {"suid", 0, MS_NOSUID}, {"nodev", MS_NODEV, 0}, {"dev", 0, MS_NODEV}, {"noatime", MS_NOATIME, 0}, {"atime", 0, MS_NOATIME},
        {"nodiratime", MS_NODIRATIME, 0}, {"diratime", 0, MS_NODIRATIME}, {"relatime", MS_RELATIME, 0}, {"norelatime", 0, MS_RELATIME},
        {"strictatime", MS_STRICTATIME, 0}, {"nostrictatime", 0, MS_STRICTATIME}, {"sync", MS_SYNCHRONOUS, 0}, {"async", 0, MS_SYNCHRONOUS},
        {"dirsync", MS_DIRSYNC, 0}, {"bind", 0, 0}, {"defaults", 0, 0}};
    Mount mount = special_mount(destination, "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    for (auto& option : split_nonempty(options, ',')) {
        auto flag = std::find_if(std::begin(kFlags), std::end(kFlags), [&](auto& known) { return known.name == option; });
        if (flag != std::end(kFlags)) {
            mount.flags = (mount.flags | flag->set) & ~flag->clear;
            continue;
        }
        std::string_view key = std::string_view(option).substr(0, option.find('='));
        if (key != "size" && key != "mode" && key != "uid" && key != "gid" && key != "nr_inodes" && key != "nr_blocks" && key != "mpol")
            return fail(ErrorKind::InvalidArgument, concat("invalid tmpfs option [", quote(option), "]"));
        mount.data += (mount.data.empty() ? "" : ",") + option;
    }
    mount.copy_up = true;
    return mount;
}

/// The record's binds, volumes and tmpfs mounts, parents before children.
Result<void> add_user_mounts(std::vector<Mount>& mounts, Propagation& root_propagation, const Record& record, const PlanInputs& inputs) {
    std::vector<Mount> user;
    for (auto& point : record.mounts) {
        if (point.type == "tmpfs") continue;
        Mount mount = bind_mount(point.source, point.destination, !point.rw);
        mount.recursive_readonly_if_possible = !point.rw;
        if (auto tree = inputs.mount_descriptors.find(point.destination); tree != inputs.mount_descriptors.end()) mount.descriptor = tree->second;
        mount.propagation = propagation_from(point.propagation, Propagation::RecursivePrivate);
        for (auto& request : record.host_config.mounts) {
            if (os::clean_path(request.target) != point.destination || !request.bind_options) continue;
            if (request.bind_options->non_recursive) mount.flags &= ~static_cast<uint64_t>(MS_REC);
            if (request.bind_options->read_only_non_recursive) mount.recursive_readonly_if_possible = false;
            if (request.bind_options->read_only_force_recursive) mount.recursive_set = MOUNT_ATTR_RDONLY;
        }
        // Propagation passes the container's root only when that takes part.
        if (mount.propagation == Propagation::Shared || mount.propagation == Propagation::RecursiveShared) root_propagation = Propagation::Shared;
        else if ((mount.propagation == Propagation::Slave || mount.propagation == Propagation::RecursiveSlave) && root_propagation == Propagation::Unset)
            root_propagation = Propagation::RecursiveSlave;
        user.push_back(std::move(mount));
    }
    for (auto& [destination, options] : record.host_config.tmpfs) user.push_back(TRY(tmpfs_mount(destination, options)));
    for (auto& request : record.host_config.mounts) {
        if (request.type != "tmpfs") continue;
        std::string options = request.read_only ? "ro" : "";
        if (request.tmpfs_options) {
            if (request.tmpfs_options->size_bytes > 0) options += concat(",size=", request.tmpfs_options->size_bytes);
            if (request.tmpfs_options->mode != 0) {
                char mode[16];
                auto end = std::to_chars(mode, mode + sizeof mode, request.tmpfs_options->mode, 8).ptr;
                options += ",mode=" + std::string(mode, end);
            }
            for (auto& pair : request.tmpfs_options->options) options += "," + join(pair, "=");
        }
        user.push_back(TRY(tmpfs_mount(request.target, options)));
    }
    auto depth = [](const Mount& mount) { return std::count(mount.destination.begin(), mount.destination.end(), '/'); };
    std::stable_sort(user.begin(), user.end(), [&](const Mount& a, const Mount& b) { return depth(a) < depth(b); });
    for (auto& mount : user) {
        // A mount of the user's own replaces the default one at the same place.
        std::erase_if(mounts, [&](const Mount& other) { return other.destination == mount.destination; });
        mounts.push_back(std::move(mount));
    }
    return {};
}

void add_engine_files(std::vector<Mount>& mounts, const PlanInputs& inputs) {
    struct File {
        const std::string& source;
        const char* destination;
    };
    for (auto& file : {File{inputs.resolv_conf_path, "/etc/resolv.conf"}, File{inputs.hostname_path, "/etc/hostname"}, File{inputs.hosts_path, "/etc/hosts"}}) {
        if (file.source.empty()) continue;
        bool taken = std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) { return mount.destination == file.destination; });
        if (!taken) mounts.push_back(bind_mount(file.source, file.destination, false));
    }
}

std::vector<runtime::Device> default_devices() {
    std::vector<runtime::Device> devices;
    auto add = [&](const char* path, uint32_t major, uint32_t minor) {
        devices.push_back(runtime::Device{path, 'c', major, minor, 0666, 0, 0});
    };
    add("/dev/null", 1, 3);
    add("/dev/zero", 1, 5);
    add("/dev/full", 1, 7);
    add("/dev/random", 1, 8);
    add("/dev/urandom", 1, 9);
    add("/dev/tty", 5, 0);
    return devices;
}

std::vector<cgroup::DeviceRule> default_device_rules() {
    using cgroup::DeviceRule;
    return {DeviceRule{false, 'a', -1, -1, "rwm"}, DeviceRule{true, 'c', -1, -1, "m"},   DeviceRule{true, 'b', -1, -1, "m"},
            DeviceRule{true, 'c', 1, 3, "rwm"},    DeviceRule{true, 'c', 1, 5, "rwm"},   DeviceRule{true, 'c', 1, 7, "rwm"},
            DeviceRule{true, 'c', 1, 8, "rwm"},    DeviceRule{true, 'c', 1, 9, "rwm"},   DeviceRule{true, 'c', 5, 0, "rwm"},
            DeviceRule{true, 'c', 5, 2, "rwm"},    DeviceRule{true, 'c', 136, -1, "rwm"}, DeviceRule{true, 'c', 5, 1, "rwm"}};
}

/// One host device, or every node below a host directory.
Result<void> add_device(runtime::Plan& plan, const std::string& host_path, const std::string& container_path, const std::string& access) {
    auto found = os::status(host_path);
    // Clients tell "not there" by these words in lower case, as Go has them.
    if (!found && found.error().is(ErrorKind::NotFound))
        return fail(ErrorKind::NotFound, concat("error gathering device information while adding custom device ", quote(host_path), ": no such file or directory"), ENOENT);
    struct stat st = TRY_WRAP(concat("error gathering device information while adding custom device ", quote(host_path)), std::move(found));
    if (S_ISDIR(st.st_mode)) {
        for (auto& name : TRY(os::list_directory(host_path))) {
            auto inner = os::status(os::join_path(host_path, name));
            if (inner && (S_ISDIR(inner->st_mode) || S_ISBLK(inner->st_mode) || S_ISCHR(inner->st_mode)))
                TRY(add_device(plan, os::join_path(host_path, name), os::join_path(container_path, name), access));
        }
        return {};
    }
    if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
        return fail(ErrorKind::InvalidArgument, concat("error gathering device information while adding custom device ", quote(host_path), ": not a device node"));
    char type = S_ISBLK(st.st_mode) ? 'b' : 'c';
    plan.devices.push_back(runtime::Device{container_path, type, major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777, st.st_uid, st.st_gid, host_path});
    plan.limits.devices.push_back(cgroup::DeviceRule{true, type, major(st.st_rdev), minor(st.st_rdev), access});
    return {};
}

Result<void> add_devices(runtime::Plan& plan, const docker::HostConfig& host) {
    plan.devices = default_devices();
    plan.limits.devices = default_device_rules();
    if (host.privileged) {
        plan.limits.devices = {cgroup::DeviceRule{true, 'a', -1, -1, "rwm"}};
        for (auto& name : TRY(os::list_directory("/dev"))) {
            if (name == "pts" || name == "shm" || name == "fd" || name == "mqueue" || name == "console" || name == "core" || name == ".lxc") continue;
            bool known = std::any_of(plan.devices.begin(), plan.devices.end(), [&](auto& device) { return device.path == "/dev/" + name; });
            auto st = os::link_status("/dev/" + name);
            if (known || !st || S_ISLNK(st->st_mode) || S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode) || S_ISREG(st->st_mode)) continue;
            TRY(add_device(plan, "/dev/" + name, "/dev/" + name, "rwm"));
        }
        plan.limits.devices = {cgroup::DeviceRule{true, 'a', -1, -1, "rwm"}};
    }
    for (auto& mapping : host.resources.devices.value_or(std::vector<docker::DeviceMapping>())) {
        std::string inside = mapping.path_in_container.empty() ? mapping.path_on_host : mapping.path_in_container;
        TRY(add_device(plan, mapping.path_on_host, inside, mapping.cgroup_permissions.empty() ? "rwm" : mapping.cgroup_permissions));
    }
    for (auto& rule : host.resources.device_cgroup_rules.value_or(std::vector<std::string>())) plan.limits.devices.push_back(TRY(parse_device_rule(rule)));
    return {};
}

void add_namespaces(runtime::Plan& plan, const docker::HostConfig& host, const PlanInputs& inputs) {
    auto fresh = [&](NamespaceType type) { plan.namespaces.push_back(runtime::Namespace{type, "", -1}); };
    auto joined = [&](NamespaceType type, int32_t pid, std::string_view name) {
        plan.namespaces.push_back(runtime::Namespace{type, concat("/proc/", pid, "/ns/", name), -1});
    };
    fresh(NamespaceType::Mount);
    if (host.uts_mode != "host") fresh(NamespaceType::Uts);
    if (inputs.ipc_pid != 0) joined(NamespaceType::Ipc, inputs.ipc_pid, "ipc");
    else if (host.ipc_mode != "host") fresh(NamespaceType::Ipc);
    if (inputs.pid_pid != 0) joined(NamespaceType::Pid, inputs.pid_pid, "pid");
    else if (host.pid_mode != "host") fresh(NamespaceType::Pid);
    if (inputs.network_pid != 0) joined(NamespaceType::Network, inputs.network_pid, "net");
    else if (inputs.network_descriptor >= 0) plan.namespaces.push_back(runtime::Namespace{NamespaceType::Network, "", inputs.network_descriptor});
    else if (!inputs.host_network) fresh(NamespaceType::Network);
    std::string cgroup_mode = host.cgroupns_mode.empty() ? (inputs.cgroup_v2 ? "private" : "host") : host.cgroupns_mode;
    if (cgroup_mode == "private") fresh(NamespaceType::Cgroup);
    if (inputs.user_pid != 0) joined(NamespaceType::User, inputs.user_pid, "user");
    else if (inputs.user_descriptor >= 0) plan.namespaces.push_back(runtime::Namespace{NamespaceType::User, "", inputs.user_descriptor});
}

Result<std::vector<runtime::Rlimit>> make_rlimits(const docker::HostConfig& host, const std::vector<docker::Ulimit>& defaults) {
    std::vector<runtime::Rlimit> limits;
    auto add = [&](const docker::Ulimit& ulimit) -> Result<void> {
        auto number = rlimit_number(ulimit.name);
        if (!number) return fail(ErrorKind::InvalidArgument, concat("invalid ulimit type: ", ulimit.name));
        std::erase_if(limits, [&](auto& other) { return other.resource == *number; });
        limits.push_back(runtime::Rlimit{*number, static_cast<uint64_t>(ulimit.soft), static_cast<uint64_t>(ulimit.hard)});
        return {};
    };
    for (auto& ulimit : defaults) TRY(add(ulimit));
    for (auto& ulimit : host.resources.ulimits.value_or(std::vector<docker::Ulimit>())) TRY(add(ulimit));
    return limits;
}

/// Docker's environment: PATH, HOSTNAME and TERM first, each replaced by the user's own value.
std::vector<std::string> make_environment(const std::vector<std::string>& own, const std::string& hostname, bool terminal) {
    std::vector<std::string> environment{std::string(kDefaultPath), "HOSTNAME=" + hostname};
    if (terminal) environment.push_back("TERM=xterm");
    for (auto& entry : own) {
        size_t equals = entry.find('=');
        std::string prefix = entry.substr(0, equals) + "=";
        if (equals == std::string::npos) {  // "NAME" without a value takes the name away
            std::erase_if(environment, [&](auto& other) { return other.starts_with(prefix); });
            continue;
        }
        auto same = std::find_if(environment.begin(), environment.end(), [&](auto& other) { return other.starts_with(prefix); });
        if (same != environment.end()) *same = entry;
        else environment.push_back(entry);
    }
    return environment;
}

bool security_option_set(const docker::HostConfig& host, std::string_view name, bool otherwise) {
    for (auto& option : host.security_opt.value_or(std::vector<std::string>())) {
        if (option == name) return true;
        if (option.starts_with(concat(name, '=')) || option.starts_with(concat(name, ':')))
            return parse_bool(std::string_view(option).substr(name.size() + 1)).value_or(otherwise);
    }
    return otherwise;
}

Result<runtime::Process> make_process(const Record& record, const PlanInputs& inputs) {
    runtime::Process process;
    process.args.push_back(record.path);
    process.args.insert(process.args.end(), record.args.begin(), record.args.end());
    auto& config = record.config;
    process.terminal = config.tty;
    process.env = make_environment(config.env.value_or(std::vector<std::string>()), config.hostname, config.tty);
    process.cwd = config.working_dir.empty() ? "/" : config.working_dir;
    process.create_cwd = true;
    if (record.host_config.console_size.size() == 2) {
        process.console_height = static_cast<uint16_t>(record.host_config.console_size[0]);
        process.console_width = static_cast<uint16_t>(record.host_config.console_size[1]);
    }
    process.user_name = config.user;
    process.additional_group_names = record.host_config.group_add.value_or(std::vector<std::string>());
    process.capabilities = TRY(capability_sets(record.host_config));
    process.no_new_privileges = security_option_set(record.host_config, "no-new-privileges", inputs.no_new_privileges);
    process.rlimits = TRY(make_rlimits(record.host_config, inputs.default_ulimits));
    process.oom_score_adj = static_cast<int32_t>(record.host_config.oom_score_adj);
    process.apparmor_profile = inputs.apparmor_profile;
    process.seccomp_bpf = record.host_config.privileged ? "" : inputs.seccomp_bpf;
    process.seccomp_flags = inputs.seccomp_flags;
    return process;
}

void add_sysctls(runtime::Plan& plan, const docker::HostConfig& host, const PlanInputs& inputs) {
    std::map<std::string, std::string> values;
    if (!inputs.host_network && inputs.network_pid == 0 && !inputs.network_of_other_users) {
        values["net.ipv4.ip_unprivileged_port_start"] = "0";
        // Of mapped groups all that there are in one piece: the kernel refuses others.
        uint32_t last = inputs.group_mappings.empty() ? 2147483647 : inputs.group_mappings[0].size - 1;
        values["net.ipv4.ping_group_range"] = concat("0 ", last);
    }
    for (auto& [name, value] : host.sysctls) values[name] = value;
    for (auto& [name, value] : values) plan.sysctls.push_back(cgroup::NameValue{name, value});
}

}  // namespace

Result<runtime::CapabilitySets> capability_sets(const docker::HostConfig& host) {
    uint64_t added = TRY(capability_bits(host.cap_add, "CapAdd"));
    uint64_t dropped = TRY(capability_bits(host.cap_drop, "CapDrop"));
    uint64_t bits = 0;
    if (host.privileged) {
        bits = os::all_capabilities();
    } else {
        for (auto name : kDefaultCapabilities) bits |= uint64_t{1} << *os::capability_number(name);
        // As in Docker: `--cap-drop ALL --cap-add X` leaves X; `--cap-add ALL --cap-drop X` leaves all but X.
        if (has_all(host.cap_add)) bits = os::all_capabilities() & ~dropped;
        else if (has_all(host.cap_drop)) bits = added;
        else bits = (bits & ~dropped) | added;
    }
    return runtime::CapabilitySets{bits, bits, bits, 0, 0};
}

namespace {
/// A block device's numbers; a container names it by its path on the host.
Result<std::pair<int64_t, int64_t>> block_device(const std::string& path) {
    struct stat st = TRY(os::status(path));
    if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode)) return fail(ErrorKind::InvalidArgument, concat(path, " is no device"));
    return std::pair<int64_t, int64_t>(major(st.st_rdev), minor(st.st_rdev));
}

Result<void> add_block_limits(cgroup::Limits& limits, const docker::Resources& from) {
    if (from.blkio_weight != 0) limits.blkio_weight = from.blkio_weight;
    for (auto& device : from.blkio_weight_device.value_or(std::vector<docker::WeightDevice>())) {
        auto [major_number, minor_number] = TRY(block_device(device.path));
        limits.blkio_weight_device.push_back({major_number, minor_number, device.weight, std::nullopt});
    }
    struct List {
        const std::optional<std::vector<docker::ThrottleDevice>>& from;
        std::vector<cgroup::DeviceRate>& into;
    };
    for (auto& list : {List{from.blkio_device_read_bps, limits.read_bps}, List{from.blkio_device_write_bps, limits.write_bps},
                       List{from.blkio_device_read_iops, limits.read_iops}, List{from.blkio_device_write_iops, limits.write_iops}})
        for (auto& device : list.from.value_or(std::vector<docker::ThrottleDevice>())) {
            auto [major_number, minor_number] = TRY(block_device(device.path));
            list.into.push_back({major_number, minor_number, device.rate});
        }
    return {};
}
}  // namespace

Result<cgroup::DeviceRule> parse_device_rule(std::string_view text) {
    auto bad = [&] { return fail(ErrorKind::InvalidArgument, concat("invalid device cgroup rule format: '", text, "'")); };
    auto fields = split(text, ' ');
    if (fields.size() != 3 || fields[0].size() != 1 || std::string_view("acb").find(fields[0][0]) == std::string_view::npos) return bad();
    auto numbers = cut(fields[1], ":");
    if (!numbers || fields[2].empty() || fields[2].size() > 3 || fields[2].find_first_not_of("rwm") != std::string::npos) return bad();
    cgroup::DeviceRule rule{true, fields[0][0], -1, -1, fields[2]};
    for (auto& [part, number] : {std::pair(numbers->first, &rule.major), {numbers->second, &rule.minor}}) {
        if (part == "*") continue;
        auto value = parse_uint(part);
        if (!value || *value > 0xffffff) return bad();
        *number = static_cast<int64_t>(*value);
    }
    return rule;
}

Result<cgroup::Limits> make_limits(const docker::HostConfig& host) {
    auto& from = host.resources;
    cgroup::Limits limits;
    if (from.memory != 0) limits.memory_limit = from.memory;
    if (from.memory_reservation != 0) limits.memory_reservation = from.memory_reservation;
    if (from.memory_swap != 0) limits.memory_swap = from.memory_swap;
    else if (from.memory > 0) limits.memory_swap = from.memory * 2;
    if (from.memory_swappiness && *from.memory_swappiness >= 0) limits.memory_swappiness = static_cast<uint64_t>(*from.memory_swappiness);
    if (from.oom_kill_disable && *from.oom_kill_disable) limits.oom_kill_disable = true;
    if (from.cpu_shares != 0) limits.cpu_shares = static_cast<uint64_t>(from.cpu_shares);
    if (from.nano_cpus > 0) {
        limits.cpu_period = 100000;
        limits.cpu_quota = from.nano_cpus / 10000;
    } else {
        if (from.cpu_period != 0) limits.cpu_period = static_cast<uint64_t>(from.cpu_period);
        if (from.cpu_quota != 0) limits.cpu_quota = from.cpu_quota;
    }
    if (from.cpu_realtime_period != 0) limits.cpu_realtime_period = static_cast<uint64_t>(from.cpu_realtime_period);
    if (from.cpu_realtime_runtime != 0) limits.cpu_realtime_runtime = from.cpu_realtime_runtime;
    limits.cpuset_cpus = from.cpuset_cpus;
    limits.cpuset_mems = from.cpuset_mems;
    TRY(add_block_limits(limits, from));
    if (from.pids_limit && *from.pids_limit != 0) limits.pids_limit = *from.pids_limit < 0 ? -1 : *from.pids_limit;
    return limits;
}

Result<runtime::Plan> make_plan(const Record& record, const PlanInputs& inputs) {
    auto& host = record.host_config;
    runtime::Plan plan;
    plan.container_id = record.id;
    plan.hostname = host.uts_mode == "host" ? "" : record.config.hostname;
    plan.domainname = host.uts_mode == "host" ? "" : record.config.domainname;
    plan.root.overlay_lower = inputs.overlay_lower;
    plan.root.overlay_upper = inputs.overlay_upper;
    plan.root.overlay_work = inputs.overlay_work;
    plan.root.directory = inputs.rootfs_directory;
    plan.root.readonly = host.readonly_rootfs;
    plan.root.mapped_directory = inputs.layers_directory;
    plan.uid_mappings = inputs.user_mappings;
    plan.gid_mappings = inputs.group_mappings;
    plan.cgroup_path = inputs.cgroup_path;
    plan.cgroup_scope = inputs.cgroup_scope;
    plan.limits = TRY(make_limits(host));
    plan.init_path = inputs.init_path;
    add_namespaces(plan, host, inputs);
    add_default_mounts(plan.mounts, host, inputs);
    TRY(add_user_mounts(plan.mounts, plan.root.propagation, record, inputs));
    add_engine_files(plan.mounts, inputs);
    TRY(add_devices(plan, host));
    if (host.masked_paths) plan.masked_paths = *host.masked_paths;
    if (host.readonly_paths) plan.readonly_paths = *host.readonly_paths;
    add_sysctls(plan, host, inputs);
    plan.process = TRY(make_process(record, inputs));
    return plan;
}

Result<runtime::Process> make_exec_process(const Record& record, const docker::ExecConfig& config, const PlanInputs& inputs) {
    runtime::Process process = TRY(make_process(record, inputs));
    process.args = config.cmd.value_or(std::vector<std::string>());
    std::vector<std::string> env = record.config.env.value_or(std::vector<std::string>());
    if (config.env) env.insert(env.end(), config.env->begin(), config.env->end());
    process.env = make_environment(env, record.config.hostname, config.tty);
    process.terminal = config.tty;
    process.console_height = process.console_width = 0;
    if (config.console_size && config.console_size->size() == 2) {
        process.console_height = static_cast<uint16_t>((*config.console_size)[0]);
        process.console_width = static_cast<uint16_t>((*config.console_size)[1]);
    }
    if (!config.working_dir.empty()) process.cwd = config.working_dir;
    process.create_cwd = false;
    if (!config.user.empty()) process.user_name = config.user;
    if (config.privileged) {
        docker::HostConfig privileged = record.host_config;
        privileged.privileged = true;
        process.capabilities = TRY(capability_sets(privileged));
        process.seccomp_bpf.clear();  // the AppArmor profile stays the container's, as with Docker
    }
    return process;
}

std::optional<int> rlimit_number(std::string_view name) {
    for (auto& known : kRlimits)
        if (known.name == name) return known.number;
    return std::nullopt;
}

std::vector<std::string> default_masked_paths() {
    std::vector<std::string> paths{"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                   "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
                                   "/sys/devices/virtual/powercap", "/sys/firmware"};
    // Each processor's thermal_throttle counters tell co-tenants about one another's load.
    auto processors = os::list_directory("/sys/devices/system/cpu");
    for (auto& name : processors.value_or(std::vector<std::string>())) {
        std::string path = concat("/sys/devices/system/cpu/", name, "/thermal_throttle");
        if (name.starts_with("cpu") && os::exists(path)) paths.push_back(std::move(path));
    }
    return paths;
}

std::vector<std::string> default_readonly_paths() {
    // dynamic_debug is not in Docker's list: a container could have the kernel log anything there.
    return {"/proc/bus", "/proc/dynamic_debug", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

}  // namespace proa::container
