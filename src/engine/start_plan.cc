#include "engine/start_plan.h"

#include <linux/magic.h>
#include <sys/mount.h>

#include <algorithm>

#include "cgroup/layout.h"
#include "container/cdi.h"
#include "engine/apparmor.h"
#include "engine/container_cgroup.h"
#include "engine/container_files.h"
#include "engine/foreign_runtime.h"
#include "engine/mount_owners.h"
#include "engine/seccomp_profiles.h"
#include "engine/security_options.h"
#include "engine/settings.h"
#include "engine/start_container.h"
#include "os/file.h"
#include "os/other_namespace.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::Record;

/// The init of a running container that "container:ID" names.
Result<int32_t> joined_pid(const Parts& parts, const std::string& mode, std::string_view what) {
    auto other = TRY(parts.containers.find(mode.substr(10)));
    auto state = other->state();
    if (!state.running || state.restarting)
        return fail(ErrorKind::Conflict, concat("cannot join ", what, " of a non running container: ", other->id()));
    return static_cast<int32_t>(state.pid);
}

/// The daemon's `init-path`, or our own init beside the daemon's program.
std::string init_program(const Settings& settings) {
    if (!settings.init_path.empty()) return settings.init_path;
    return os::directory_of(os::read_link("/proc/self/exe").value_or("/usr/libexec/proa/proad")) + "/proa-init";
}

}  // namespace

Result<std::string> seccomp_profile_of(const Parts& parts, const Record& record) {
    if (record.host_config.privileged) return "unconfined";
    auto security = TRY(parse_security_options(record.host_config));
    return security.seccomp_profile.empty() ? parts.settings()->seccomp_profile : security.seccomp_profile;
}

Result<container::PlanInputs> process_inputs(Parts& parts, const Record& record) {
    container::PlanInputs inputs;
    auto security = TRY(parse_security_options(record.host_config));
    auto settings = parts.settings();
    inputs.no_new_privileges = security.no_new_privileges.value_or(settings->no_new_privileges);
    auto filter = TRY(parts.seccomp.filter(TRY(seccomp_profile_of(parts, record)), TRY(container::capability_sets(record.host_config))));
    inputs.seccomp_bpf = std::move(filter.bpf);
    inputs.seccomp_flags = filter.flags;
    inputs.apparmor_profile = TRY(apparmor_profile_of(parts.paths, record.host_config));
    for (auto& [name, ulimit] : settings->default_ulimits) inputs.default_ulimits.push_back(ulimit);
    inputs.default_shm_size = settings->default_shm_size;
    return inputs;
}

namespace {

/// What another container shares with us: its IPC namespace and its /dev/shm.
Result<void> join_ipc(Parts& parts, const Record& record, container::PlanInputs& inputs, const NetworkAttachment& network, std::vector<os::Fd>& trees) {
    auto& mode = record.host_config.ipc_mode;
    if (!mode.starts_with("container:")) return {};
    std::string what = concat("can't join IPC of container ", mode.substr(10));
    auto other = TRY_WRAP(what, parts.containers.find(mode.substr(10)));
    if (is_foreign(parts, record)) return fail(ErrorKind::Unsupported, concat(what, ": the runtime ", record.host_config.runtime, " cannot do that"));
    inputs.ipc_pid = TRY(joined_pid(parts, mode, "IPC"));
    if (other->read([](const Record& record) { return record.host_config.ipc_mode; }) != "shareable")
        return fail(ErrorKind::Conflict, concat(what, ": non-shareable IPC (hint: use IpcMode:shareable for the donor container)"));
    trees.push_back(TRY_WRAP(what, os::clone_tree_of_process(inputs.ipc_pid, "/dev/shm", TMPFS_MAGIC)));
    inputs.shm_descriptor = (network.sandbox ? 1 : 0) + static_cast<int>(trees.size()) - 1;
    return {};
}

/// The user namespace of a container with mapped ids: the one that its network namespace belongs to, or that of the container whose namespaces it shares.
Result<void> join_user_namespace(Parts& parts, const Record& record, container::PlanInputs& inputs, const NetworkAttachment& network, std::vector<os::Fd>& trees) {
    if (!is_remapped(parts.remap, record.host_config)) return {};
    inputs.user_mappings = parts.remap.user_mappings();
    inputs.group_mappings = parts.remap.group_mappings();
    inputs.layers_directory = parts.images.layers_directory();
    auto& host = record.host_config;
    for (auto& [mode, pid] : {std::pair(&host.network_mode, inputs.network_pid), {&host.pid_mode, inputs.pid_pid}, {&host.ipc_mode, inputs.ipc_pid}}) {
        if (pid == 0) continue;
        auto other = TRY(parts.containers.find(mode->substr(10)));
        if (!is_remapped(parts.remap, other->read([](const Record& record) { return record.host_config; })))
            return fail(ErrorKind::Conflict, concat("cannot share a namespace of container ", other->id(), ": it runs with the host's user namespace (--userns=host) and this one does not"));
        if (inputs.user_pid == 0) inputs.user_pid = pid;
    }
    inputs.network_of_other_users = inputs.user_pid != 0 && network.sandbox;
    if (inputs.user_pid != 0) return {};
    const os::Fd& space = network.sandbox && network.sandbox->space.user ? network.sandbox->space.user : parts.remap.space;
    trees.push_back(TRY(space.duplicate()));
    inputs.user_descriptor = (network.sandbox ? 1 : 0) + static_cast<int>(trees.size()) - 1;
    return {};
}

/// What the engine keeps for builds holds the ids of inside, as layers do.
void map_build_mounts(const Parts& parts, const container::PlanInputs& inputs, runtime::Plan& plan) {
    if (inputs.user_mappings.empty()) return;
    for (auto& mount : plan.mounts) {
        bool of_build = mount.source.starts_with(parts.paths.data_root + "/build/") || mount.source.starts_with(parts.paths.data_root + "/builds/");
        if (!of_build || !(mount.flags & MS_BIND)) continue;
        mount.uid_mappings = inputs.user_mappings;
        mount.gid_mappings = inputs.group_mappings;
    }
}

const std::vector<std::string>& cdi_directories() {
    static const std::vector<std::string> directories{"/etc/cdi", "/run/cdi"};
    return directories;
}

std::string capability_text(const docker::DeviceRequest& request) {
    std::string text = "[";
    for (auto& set : request.capabilities.value_or(std::vector<std::vector<std::string>>())) text += concat(text.size() > 1 ? " " : "", "[", join(set, " "), "]");
    return text + "]";
}

/// `--device vendor/class=name` by its name, `--gpus` by the kind of the vendor whose files are there.
Result<std::vector<std::string>> cdi_names(const Settings& settings, const docker::DeviceRequest& request) {
    auto ids = request.device_ids.value_or(std::vector<std::string>());
    auto feature = settings.features.find(kCdiFeature);
    bool known = feature == settings.features.end() || feature->second;
    if (known && request.driver == "cdi") {
        if (request.count != 0) return fail(ErrorKind::InvalidArgument, "invalid count of a CDI device request: it must be 0");
        return ids;
    }
    bool gpu = false;
    for (auto& set : request.capabilities.value_or(std::vector<std::vector<std::string>>())) gpu |= std::find(set.begin(), set.end(), "gpu") != set.end();
    for (std::string vendor : {"nvidia", "amd"}) {
        std::string kind = vendor + ".com/gpu";
        if (!known || !gpu || (!request.driver.empty() && request.driver != vendor) || !container::has_cdi_kind(kind, cdi_directories())) continue;
        std::vector<std::string> names;
        for (auto& id : ids) names.push_back(concat(kind, '=', id));
        if (ids.empty() && request.count < 0) names.push_back(kind + "=all");
        for (int64_t number = 0; ids.empty() && number < request.count; number++) names.push_back(concat(kind, '=', number));
        return names;
    }
    return fail(ErrorKind::Internal, concat("could not select device driver ", quote(request.driver), " with capabilities: ", capability_text(request)));
}

}  // namespace

Result<StartPlan> make_start_plan(Parts& parts, const Record& record, const NetworkAttachment& network, MountAttachment mounts) {
    auto& host = record.host_config;
    StartPlan start;
    container::PlanInputs inputs = TRY(process_inputs(parts, record));
    auto layer = parts.images.writable_layer(record.id);
    if (parts.images.driver() == store::StorageDriver::Overlay2) inputs.overlay_lower = TRY(parts.images.lower_directories_of(record.id));
    inputs.overlay_upper = layer.upper;
    inputs.overlay_work = layer.work;
    inputs.rootfs_directory = layer.merged;
    auto files = TRY(write_container_files(parts, record, network));
    inputs.hosts_path = files.hosts;
    inputs.hostname_path = files.hostname;
    inputs.resolv_conf_path = files.resolv_conf;
    if (network.sandbox) inputs.network_descriptor = 0;
    inputs.host_network = host.network_mode == "host";
    if (host.network_mode.starts_with("container:")) inputs.network_pid = TRY(joined_pid(parts, host.network_mode, "network"));
    TRY(join_ipc(parts, record, inputs, network, start.trees));
    for (size_t i = 0; i < mounts.trees.size(); i++) {
        start.trees.push_back(std::move(mounts.trees[i]));
        inputs.mount_descriptors[mounts.destinations[i]] = (network.sandbox ? 1 : 0) + static_cast<int>(start.trees.size()) - 1;
    }
    if (host.pid_mode.starts_with("container:")) inputs.pid_pid = TRY(joined_pid(parts, host.pid_mode, "PID"));
    TRY(join_user_namespace(parts, record, inputs, network, start.trees));
    inputs.cgroup_path = cgroup_path(parts, record);
    inputs.cgroup_scope = cgroup_scope(parts, record);
    inputs.cgroup_v2 = TRY(cgroup::layout())->version == cgroup::Version::V2;
    bool wants_init = host.init.value_or(parts.settings()->init);
    if (wants_init) inputs.init_path = init_program(*parts.settings());
    start.plan = TRY(container::make_plan(record, inputs));
    std::vector<std::string> devices;
    for (auto& request : host.resources.device_requests.value_or(std::vector<docker::DeviceRequest>())) {
        auto names = TRY(cdi_names(*parts.settings(), request));
        devices.insert(devices.end(), names.begin(), names.end());
    }
    if (!devices.empty()) TRY(container::inject_cdi_devices(start.plan, devices, cdi_directories()));
    map_build_mounts(parts, inputs, start.plan);
    TRY(fit_owners(record, start.plan));
    return start;
}

}  // namespace proa::engine
