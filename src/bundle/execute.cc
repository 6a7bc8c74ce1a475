#include <signal.h>

#include "base/text.h"
#include "bundle/config.h"
#include "bundle/hand_over.h"
#include "bundle/lifecycle.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::bundle {

namespace {
Result<json::Value> process_from_flags(const ExecOptions& options, json::Value process) {
    json::Object& object = process.object();
    object["args"] = json::Value::strings(options.args);
    object["terminal"] = options.tty;
    if (!options.cwd.empty()) object["cwd"] = options.cwd;
    if (!options.apparmor.empty()) object["apparmorProfile"] = options.apparmor;
    if (!options.process_label.empty()) object["selinuxLabel"] = options.process_label;
    if (options.no_new_privs) object["noNewPrivileges"] = true;
    for (auto& entry : options.env) object["env"].array().push_back(entry);
    for (auto& name : options.capabilities)
        for (auto set : {"bounding", "effective", "permitted"}) object["capabilities"].object()[set].array().push_back(name);
    if (!options.user.empty()) {
        auto pair = cut(options.user, ":");
        auto uid = parse_uint(pair ? pair->first : std::string_view(options.user));
        auto gid = pair ? parse_uint(pair->second) : std::optional<uint64_t>(0);
        if (!uid || !gid) return fail(ErrorKind::InvalidArgument, concat("parsing ", options.user, " as uid[:gid] failed"));
        object["user"].object()["uid"] = *uid;
        if (pair) object["user"].object()["gid"] = *gid;
    }
    for (uint32_t gid : options.additional_gids) object["user"].object()["additionalGids"].array().push_back(gid);
    return process;
}

/// What a process file leaves open is as the container's own process has it, as with runc.
Result<json::Value> process_from_file(const std::string& file, const json::Value& own) {
    json::Value process = TRY_WRAP(file, json::parse(TRY(os::read_file(file, 16 << 20))));
    if (!process.is_object()) return fail(ErrorKind::InvalidArgument, concat(file, ": a process is an object"));
    for (auto name : {"capabilities", "rlimits", "apparmorProfile", "selinuxLabel", "oomScoreAdj", "scheduler", "ioPriority", "execCPUAffinity"})
        if (process[name].is_null() && !own[name].is_null()) process.object()[name] = own[name];
    return process;
}

Result<runtime::Process> exec_process(const ExecOptions& options, const json::Value& config, const ContainerState& state) {
    PlanOptions plan_options{options.id, state.bundle, options.root + "/.seccomp", false, false, hook_state_of(config, options.id, state.bundle)};
    json::Value process =
        options.process_file.empty() ? TRY(process_from_flags(options, config["process"])) : TRY(process_from_file(options.process_file, config["process"]));
    TRY(check_process_shape(process));
    auto wanted = TRY(process_of(process, config["linux"]["seccomp"], plan_options));
    TRY(read_kernel_habits(config["linux"], wanted));
    return wanted;
}

/// `exec --cgroup [controller,...:]path`
Result<void> choose_cgroups(const ExecOptions& options, const ContainerState& state, runtime::ExecPlan& plan) {
    plan.cgroup_path = state.cgroup_path;
    for (auto& text : options.cgroups) {
        TRY(group_of(state));
        auto parts = cut(text, ":");
        std::string below = os::clean_path(concat("/", parts ? parts->second : std::string_view(text)));
        std::string path = os::clean_path(concat(state.cgroup_path, "/", below));
        if (!parts) {
            plan.cgroup_path = path;
            continue;
        }
        for (auto& controller : split(parts->first, ',')) {
            if (TRY(cgroup::Group::at(state.cgroup_path)).directory(controller).empty())
                return fail(ErrorKind::InvalidArgument, concat("--cgroup ", text, ": this host has no ", controller, " cgroup controller"));
            plan.cgroup_overrides.push_back({controller, path});
        }
    }
    return {};
}
}  // namespace

Result<int> execute_in_container(const ExecOptions& options) {
    StateDirectory directory = TRY(StateDirectory::at(options.root, options.id));
    ContainerState state = TRY(directory.load());
    Status status = directory.status(state);
    if (status == Status::Stopped || status == Status::Creating) return fail(ErrorKind::Conflict, "cannot exec in a stopped container");
    if (status == Status::Paused && !options.ignore_paused)
        return fail(ErrorKind::Conflict, "cannot exec in a paused container (use --ignore-paused to override)");
    runtime::ExecPlan plan;
    plan.container_id = options.id;
    plan.init_pid = state.pid;
    TRY(choose_cgroups(options, state, plan));
    plan.process = TRY(exec_process(options, TRY(directory.config()), state));
    TRY(check_console(options.hand_over, options.detach, plan.process.terminal));
    TRY(join_resource_class(state.resource_class));
    auto init = TRY_WRAP(kUnableToStart, runtime::execute(plan, inherited_streams(options.hand_over)));
    auto noted = hand_over(options.hand_over, init);
    if (!noted) {
        (void)os::send_signal(init.pidfd.get(), SIGKILL);
        return fail(std::move(noted).error());
    }
    if (options.detach) return 0;
    return attend_process(init);
}

}  // namespace proa::bundle
