#include "bundle/new_container.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "bundle/config.h"
#include "bundle/hand_over.h"
#include "os/file.h"
#include "os/process.h"
#include "runtime/hooks.h"

namespace proa::bundle {

namespace {
std::string owner_name() {
    // The user database by name service would need plugins; root is what runs us, others are told by number.
    return ::geteuid() == 0 ? "root" : concat(::geteuid());
}

bool has_limits(cgroup::Limits limits) {
    limits.devices.clear();
    return pack(limits) != pack(cgroup::Limits());
}

/// Without the right to make groups a container of a plain user goes without one; then nothing may be asked of it.
Result<void> settle_cgroup(runtime::Plan& plan, const json::Value& config) {
    auto group = cgroup::Group::create(plan.cgroup_path);
    if (group) return group->remove();
    int number = group.error().number();
    if (number != EACCES && number != EPERM && number != EROFS) return fail(std::move(group).error());
    if (!config["linux"]["cgroupsPath"].as_string().empty() || has_limits(plan.limits))
        return fail(std::move(group).error().wrap("rootless: neither linux.cgroupsPath nor linux.resources can be honoured"));
    plan.cgroup_path.clear();
    return {};
}
}  // namespace

Result<NewContainer> prepare_container(const CreateOptions& options) {
    std::string bundle = os::clean_path(options.bundle[0] == '/' ? options.bundle : concat(TRY(os::read_link("/proc/self/cwd")), '/', options.bundle));
    auto text = os::read_file(bundle + "/config.json", 16 << 20);
    if (!text) {
        if (text.error().number() == ENOENT) return fail(ErrorKind::NotFound, "JSON specification file config.json not found");
        return fail(std::move(text).error());
    }
    json::Value config = TRY_WRAP("config.json", json::parse(*text));
    StateDirectory directory = TRY(StateDirectory::at(options.root, options.id));
    if (directory.load()) return fail(ErrorKind::Conflict, "container with given ID already exists");
    PlanOptions plan_options{options.id, bundle,           options.root + "/.seccomp", options.no_pivot, options.no_new_keyring,
                             "",         options.rootless, options.systemd_cgroup};
    runtime::Plan plan = TRY(plan_of(config, plan_options));
    TRY(check_console(options.hand_over, options.detach, plan.process.terminal));
    if (options.rootless && plan.cgroup_scope.name.empty()) TRY(settle_cgroup(plan, config));
    if (!plan.cgroup_path.empty()) {
        auto inside = TRY(cgroup::Group::at(plan.cgroup_path)).processes();
        if (inside && !inside->empty()) return fail(ErrorKind::Conflict, "container's cgroup is not empty: " + concat(inside->size()) + " process(es) found");
    }

    ContainerState state;
    state.oci_version = config["ociVersion"].as_string();
    state.id = options.id;
    state.bundle = bundle;
    state.rootfs = plan.root.directory;
    state.cgroup_path = plan.cgroup_path;
    state.cgroup_scope = plan.cgroup_scope.name;
    state.owner = owner_name();
    state.resource_class = TRY(resource_class_of(config["linux"]["intelRdt"], options.id));
    state.annotations = config["annotations"];
    state.creator_pid = ::getpid();
    state.creator_start_time = TRY(os::process_start_time(state.creator_pid));
    state.created = now();
    TRY(directory.create());
    // Before anything of the container exists: a delete after a crash must find its cgroup and its hooks.
    auto kept = os::write_file(directory.file("config.json"), *text, 0600);
    if (kept) kept = directory.save(state);
    if (!kept) {
        (void)directory.remove();
        return fail(std::move(kept).error());
    }
    NewContainer made{std::move(directory), std::move(state), std::move(plan), {}};
    auto entered = [&]() -> Result<void> {
        made.network_devices = TRY(network_devices_of(config["linux"]["netDevices"]));
        return enter_resource_class(made.state.resource_class, config["linux"]["intelRdt"]);
    }();
    if (!entered) {
        abandon_container(made);
        return fail(std::move(entered).error());
    }
    return made;
}

void abandon_container(NewContainer& made) {
    (void)remove_resource_class(made.state.resource_class);
    (void)made.directory.remove();
}

Result<void> note_init(NewContainer& prepared, const runtime::Init& init, const HandOver& wanted) {
    prepared.state.pid = init.pid;
    prepared.state.start_time = TRY(os::process_start_time(init.pid));
    TRY(prepared.directory.save(prepared.state));
    TRY(move_network_devices(prepared.network_devices, init.pid));
    return hand_over(wanted, init);
}

void undo_container(NewContainer& prepared, runtime::Init& init) {
    if (init.pidfd) {
        (void)os::send_signal(init.pidfd.get(), SIGKILL);
        (void)os::wait_for_exit(init.pid);
    }
    if (auto group = group_of(prepared.state)) {
        (void)group->kill_all();
        (void)group->remove();
    }
    abandon_container(prepared);
}

Result<void> clean_up_container(const StateDirectory& directory, const ContainerState& state) {
    if (!state.cgroup_path.empty()) {
        auto group = TRY(group_of(state));
        TRY(group.kill_all());
        TRY(group.remove());
    }
    TRY(remove_resource_class(state.resource_class));
    auto ran = [&]() -> Result<void> {
        json::Value config = TRY(directory.config());
        return runtime::run_hooks(TRY(hooks_of(config, "poststop")), hook_state_of(config, state.id, state.bundle), "stopped", 0);
    }();
    if (!ran) log::warn(ran.error().message());  // Spec: a failing poststop hook is only told
    return directory.remove();
}

}  // namespace proa::bundle
