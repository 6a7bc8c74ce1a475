#include <sched.h>

#include <algorithm>

#include "bundle/config.h"
#include "bundle/config_numbers.h"
#include "os/capability.h"
#include "runtime/oci_names.h"
#include "seccomp/compile.h"

// config.json's `process` as a plan's Process.
namespace proa::bundle {

Result<std::vector<uint32_t>> number_list(std::string_view text) {
    std::vector<uint32_t> numbers;
    for (auto& piece : split_nonempty(text, ',')) {
        auto range = cut(piece, "-");
        auto first = parse_uint(range ? range->first : std::string_view(piece)), last = range ? parse_uint(range->second) : first;
        if (!first || !last || *last < *first || *last >= 8192) return invalid(concat("invalid list of numbers ", quote(text)));
        for (uint64_t number = *first; number <= *last; number++) numbers.push_back(static_cast<uint32_t>(number));
    }
    return numbers;
}

Result<uint64_t> capability_mask(const json::Value& names) {
    uint64_t mask = 0;
    for (auto& name : string_list(names)) {
        auto capability = os::capability_number(name);
        if (capability) mask |= 1ull << *capability;  // Spec: unknown ones are warned about and left out
    }
    return mask & os::all_capabilities();
}

namespace {
Result<void> read_rlimits(const json::Value& list, runtime::Process& process) {
    for (auto& item : list.as_array()) {
        const std::string& name = item["type"].as_string();
        auto known = std::find_if(std::begin(runtime::kRlimitNames), std::end(runtime::kRlimitNames), [&](auto& entry) { return entry.first == name; });
        if (known == std::end(runtime::kRlimitNames)) return invalid(concat("invalid rlimit type ", quote(name)));
        for (auto& other : process.rlimits)
            if (other.resource == known->second) return invalid(concat("rlimit ", name, " is given twice"));
        process.rlimits.push_back({known->second, TRY(number<uint64_t>(item["soft"], "rlimit soft")), TRY(number<uint64_t>(item["hard"], "rlimit hard"))});
    }
    return {};
}

Result<uint64_t> scheduler_flags(const json::Value& names) {
    static constexpr std::pair<std::string_view, uint64_t> kFlags[] = {
        {"SCHED_FLAG_RESET_ON_FORK", 0x01}, {"SCHED_FLAG_RECLAIM", 0x02},        {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
        {"SCHED_FLAG_KEEP_PARAMS", 0x10},   {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20}, {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
    };
    uint64_t value = 0;
    for (auto& name : string_list(names)) {
        auto known = std::find_if(std::begin(kFlags), std::end(kFlags), [&](auto& entry) { return entry.first == name; });
        if (known == std::end(kFlags)) return invalid(concat("scheduler: unknown flag ", quote(name)));
        value |= known->second;
    }
    return value;
}

Result<void> read_scheduling(const json::Value& value, runtime::Process& process) {
    if (auto& priority = value["ioPriority"]; !priority.is_null()) {
        static constexpr std::string_view kClasses[] = {"IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"};
        auto known = std::find(std::begin(kClasses), std::end(kClasses), priority["class"].as_string());
        if (known == std::end(kClasses)) return invalid(concat("ioPriority: unknown class ", quote(priority["class"].as_string())));
        int64_t level = priority["priority"].as_int();
        if (level < 0 || level > 7) return invalid("ioPriority: priority must be 0 to 7");
        process.io_priority = static_cast<int32_t>((known - std::begin(kClasses)) << 13 | level);
    }
    if (auto& scheduler = value["scheduler"]; !scheduler.is_null()) {
        static constexpr std::pair<std::string_view, int> kPolicies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},      {"SCHED_BATCH", 3},
                                                                         {"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};
        auto known = std::find_if(std::begin(kPolicies), std::end(kPolicies), [&](auto& entry) { return entry.first == scheduler["policy"].as_string(); });
        if (known == std::end(kPolicies)) return invalid(concat("scheduler: unknown policy ", quote(scheduler["policy"].as_string())));
        runtime::Scheduler wanted;
        wanted.policy = known->second;
        wanted.flags = TRY(scheduler_flags(scheduler["flags"]));
        TRY(read_number(scheduler["nice"], "scheduler.nice", wanted.nice));
        TRY(read_number(scheduler["priority"], "scheduler.priority", wanted.priority));
        TRY(read_number(scheduler["runtime"], "scheduler.runtime", wanted.runtime));
        TRY(read_number(scheduler["deadline"], "scheduler.deadline", wanted.deadline));
        TRY(read_number(scheduler["period"], "scheduler.period", wanted.period));
        if (wanted.policy != SCHED_DEADLINE && (wanted.runtime || wanted.deadline || wanted.period))
            return invalid("scheduler: runtime, deadline and period are for SCHED_DEADLINE only");
        if (wanted.priority && wanted.policy != SCHED_FIFO && wanted.policy != SCHED_RR)
            return invalid("scheduler: priority is for SCHED_FIFO and SCHED_RR only");
        process.scheduler = wanted;
    }
    auto& affinity = value["execCPUAffinity"];
    process.first_processors = TRY_WRAP("execCPUAffinity.initial", number_list(affinity["initial"].as_string()));
    process.final_processors = TRY_WRAP("execCPUAffinity.final", number_list(affinity["final"].as_string()));
    return {};
}

/// Spec: config-linux.md, seccomp: the state goes to the listener together with the descriptor.
Result<void> read_seccomp_listener(const seccomp::Profile& profile, const PlanOptions& options, runtime::Process& process) {
    if (profile.default_action == seccomp::Action::Notify) return invalid("linux.seccomp: SCMP_ACT_NOTIFY cannot be the default action");
    bool notifies = std::any_of(profile.rules.begin(), profile.rules.end(), [](auto& rule) { return rule.action == seccomp::Action::Notify; });
    if (notifies && profile.listener_path.empty()) return invalid("linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath");
    if (!notifies) {
        if (profile.listener_path.empty() && !profile.listener_metadata.empty()) return invalid("linux.seccomp: listenerMetadata without listenerPath");
        return {};
    }
    if (profile.listener_path[0] != '/') return invalid(concat("linux.seccomp.listenerPath ", quote(profile.listener_path), " is not absolute"));
    json::Object state{{"ociVersion", kSpecVersion}, {"fds", json::Value::strings({"seccompFd"})}, {"pid", "@PROCESS@"}};
    if (!profile.listener_metadata.empty()) state.set("metadata", profile.listener_metadata);
    state.set("state", TRY(json::parse(options.hook_state)));
    process.seccomp_listener = runtime::SeccompListener{profile.listener_path, json::print(std::move(state))};
    return {};
}

Result<void> read_seccomp(const json::Value& seccomp, const PlanOptions& options, runtime::Process& process) {
    if (!seccomp.is_object()) return {};
    auto profile = TRY(seccomp::parse_profile(json::print(seccomp)));
    TRY(read_seccomp_listener(profile, options, process));
    auto filter = options.seccomp_cache.empty() ? TRY(seccomp::compile(profile, process.capabilities.bounding))
                                                : TRY(seccomp::compile_cached(profile, process.capabilities.bounding, options.seccomp_cache));
    process.seccomp_bpf = std::move(filter.bpf);
    process.seccomp_flags = filter.flags;
    return {};
}
}  // namespace

Result<runtime::Process> process_of(const json::Value& value, const json::Value& seccomp, const PlanOptions& options) {
    runtime::Process process;
    process.args = string_list(value["args"]);
    process.env = string_list(value["env"]);
    process.cwd = value["cwd"].as_string();
    if (process.args.empty()) return invalid("args must not be empty");
    if (process.cwd.empty()) return invalid("Cwd property must not be empty");
    if (process.cwd[0] != '/') return invalid("Cwd must be an absolute path");
    process.create_cwd = true;  // Spec leaves it open; runc makes it, and engines rely on that
    process.terminal = value["terminal"].as_bool();
    TRY(read_number(value["consoleSize"]["height"], "consoleSize.height", process.console_height));
    TRY(read_number(value["consoleSize"]["width"], "consoleSize.width", process.console_width));
    TRY(read_number(value["user"]["uid"], "user.uid", process.uid));
    TRY(read_number(value["user"]["gid"], "user.gid", process.gid));
    if (!value["user"]["umask"].is_null()) process.umask = TRY(number<uint32_t>(value["user"]["umask"], "user.umask"));
    for (auto& gid : value["user"]["additionalGids"].as_array()) process.additional_gids.push_back(TRY(number<uint32_t>(gid, "user.additionalGids")));
    if (auto& sets = value["capabilities"]; sets.is_object()) {
        process.capabilities.bounding = TRY(capability_mask(sets["bounding"]));
        process.capabilities.effective = TRY(capability_mask(sets["effective"]));
        process.capabilities.permitted = TRY(capability_mask(sets["permitted"]));
        process.capabilities.inheritable = TRY(capability_mask(sets["inheritable"]));
        process.capabilities.ambient = TRY(capability_mask(sets["ambient"]));
    }
    process.no_new_privileges = value["noNewPrivileges"].as_bool();
    process.exact_limits = !options.rootless;
    process.new_session_keyring = !options.no_new_keyring;
    TRY(read_rlimits(value["rlimits"], process));
    if (!value["oomScoreAdj"].is_null()) process.oom_score_adj = TRY(number<int32_t>(value["oomScoreAdj"], "oomScoreAdj"));
    process.apparmor_profile = value["apparmorProfile"].as_string();
    process.selinux_label = value["selinuxLabel"].as_string();
    TRY(read_scheduling(value, process));
    TRY(read_seccomp(seccomp, options, process));
    return process;
}

}  // namespace proa::bundle
