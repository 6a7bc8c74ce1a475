#include "engine/start_plan.h"

#include "cgroup/layout.h"
#include "engine/container_files.h"
#include "engine/seccomp_profiles.h"
#include "engine/security_options.h"
#include "engine/settings.h"
#include "engine/start_container.h"
#include "os/file.h"
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
    for (auto& [name, ulimit] : settings->default_ulimits) inputs.default_ulimits.push_back(ulimit);
    inputs.default_shm_size = settings->default_shm_size;
    return inputs;
}

Result<runtime::Plan> make_start_plan(Parts& parts, const Record& record, const NetworkAttachment& network) {
    auto& host = record.host_config;
    container::PlanInputs inputs = TRY(process_inputs(parts, record));
    inputs.overlay_lower = TRY(parts.images.lower_directories_of(record.id));
    auto layer = parts.images.writable_layer(record.id);
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
    if (host.ipc_mode.starts_with("container:")) inputs.ipc_pid = TRY(joined_pid(parts, host.ipc_mode, "IPC"));
    if (host.pid_mode.starts_with("container:")) inputs.pid_pid = TRY(joined_pid(parts, host.pid_mode, "PID"));
    inputs.cgroup_path = cgroup_path(parts, record);
    inputs.cgroup_v2 = TRY(cgroup::layout())->version == cgroup::Version::V2;
    bool wants_init = host.init.value_or(parts.settings()->init);
    if (wants_init) inputs.init_path = init_program(*parts.settings());
    return container::make_plan(record, inputs);
}

}  // namespace proa::engine
