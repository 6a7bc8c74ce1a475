#include "engine/validate_container.h"

#include <signal.h>

#include <set>

#include "base/text.h"
#include "container/plan.h"
#include "engine/apparmor.h"
#include "engine/health_monitor.h"
#include "os/file.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

Unexpected not_yet(std::string_view field, std::string_view value = "") {
    return fail(ErrorKind::Unsupported, concat(field, value.empty() ? "" : " ", value, " is not supported yet by this engine"));
}

/// Every field that the runtime path does not carry out yet, so that nothing is silently ignored.
Result<void> refuse_unsupported(const docker::HostConfig& host) {
    if (!host.cgroup.empty()) return not_yet("Cgroup", host.cgroup);
    if (!host.isolation.empty() && host.isolation != "default") return invalid(concat("invalid isolation '", host.isolation, "' on linux"));
    return {};
}

Result<void> validate_config(const docker::ContainerConfig& config) {
    for (auto& entry : config.env.value_or(std::vector<std::string>()))
        if (entry.empty() || entry[0] == '=') return invalid(concat("invalid environment variable: ", entry));
    if (!config.working_dir.empty() && !config.working_dir.starts_with('/'))
        return invalid(concat("the working directory '", config.working_dir, "' is invalid, it needs to be an absolute path"));
    if (!config.stop_signal.empty()) TRY(parse_signal(config.stop_signal));
    if (config.healthcheck) TRY(validate_health_check(*config.healthcheck));
    return {};
}

Result<void> validate_restart_policy(const docker::HostConfig& host) {
    auto& policy = host.restart_policy;
    if (policy.delay_minimum < 0 || policy.delay_maximum < 0) return invalid("invalid restart policy: a delay cannot be negative");
    if (policy.delay_minimum != 0 && policy.delay_maximum != 0 && policy.delay_maximum < policy.delay_minimum)
        return invalid(concat("invalid restart policy: the longest delay (", duration_text(policy.delay_maximum), ") is shorter than the first one (", duration_text(policy.delay_minimum), ')'));
    if ((policy.delay_minimum != 0 || policy.delay_maximum != 0) && (policy.name.empty() || policy.name == "no"))
        return invalid("invalid restart policy: a delay needs a policy that restarts: 'always', 'on-failure', or 'unless-stopped'");
    if (policy.name.empty()) {
        if (policy.maximum_retry_count != 0) return invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
        return {};
    }
    if (policy.name != "no" && policy.name != "always" && policy.name != "on-failure" && policy.name != "unless-stopped")
        return invalid(concat("invalid restart policy: unknown policy '", policy.name, "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"));
    if (policy.name != "on-failure" && policy.maximum_retry_count != 0)
        return invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
    if (policy.maximum_retry_count < 0) return invalid("invalid restart policy: maximum retry count cannot be negative");
    if (host.auto_remove && policy.name != "no") return invalid("can't create 'AutoRemove' container with restart policy");
    return {};
}

Result<void> validate_resources(const docker::Resources& resources) {
    constexpr int64_t kMinimum = 6 * 1024 * 1024;
    if (resources.memory < 0 || (resources.memory > 0 && resources.memory < kMinimum)) return invalid("Minimum memory limit allowed is 6MB");
    if (resources.memory > 0 && resources.memory_swap > 0 && resources.memory_swap < resources.memory)
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    if (resources.memory == 0 && resources.memory_swap > 0) return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
    if (resources.memory_swappiness && (*resources.memory_swappiness < -1 || *resources.memory_swappiness > 100))
        return invalid(concat("Invalid value: ", *resources.memory_swappiness, ", valid memory swappiness range is 0-100"));
    if (resources.memory_reservation > 0 && resources.memory_reservation < kMinimum) return invalid("Minimum memory reservation allowed is 6MB");
    if (resources.memory > 0 && resources.memory_reservation > resources.memory)
        return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
    if (resources.nano_cpus > 0 && (resources.cpu_period > 0 || resources.cpu_quota > 0))
        return invalid(concat("Conflicting options: Nano CPUs and CPU ", resources.cpu_period > 0 ? "Period" : "Quota", " cannot both be set"));
    int64_t processors = std::max<int64_t>(1, std::thread::hardware_concurrency());
    if (resources.nano_cpus < 0 || resources.nano_cpus > processors * 1000000000)
        return invalid(concat("range of CPUs is from 0.01 to ", processors, ".00, as there are only ", processors, " CPUs available"));
    if (resources.cpu_period != 0 && (resources.cpu_period < 1000 || resources.cpu_period > 1000000))
        return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    if (resources.cpu_quota > 0 && resources.cpu_quota < 1000) return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    if (resources.cpu_shares < 0) return invalid(concat("invalid CPU shares (", resources.cpu_shares, "): value must be a positive integer"));
    return {};
}

bool is_valid_port(std::string_view text) {
    auto valid_range = [](std::string_view range) {
        auto parts = cut(range, "-");
        auto first = parse_uint(parts ? parts->first : range);
        auto last = parts ? parse_uint(parts->second) : first;
        return first && last && *first <= *last && *last <= 65535;
    };
    auto parts = cut(text, "/");
    std::string_view protocol = parts ? parts->second : "tcp";
    return valid_range(parts ? parts->first : text) && (protocol == "tcp" || protocol == "udp" || protocol == "sctp");
}

Result<void> validate_ports(const docker::HostConfig& host) {
    if (!host.port_bindings) return {};
    // Of a run the first and the last say what all would.
    std::vector<std::pair<std::string, docker::PortBindings>> ports(host.port_bindings->others().begin(), host.port_bindings->others().end());
    for (auto& run : host.port_bindings->runs())
        for (uint16_t port : {run.first, run.last}) ports.emplace_back(concat(port, '/', run.protocol), run.bindings_of(port));
    for (auto& [port, bindings] : ports) {
        if (!is_valid_port(port)) return invalid(concat("invalid port specification: ", quote(port)));
        if (!bindings) continue;
        for (auto& binding : *bindings) {
            if (binding.host_port.empty() || is_valid_port(binding.host_port)) continue;
            return invalid(concat("invalid port specification: ", quote(binding.host_port)));
        }
    }
    return {};
}

Result<void> validate_modes(const docker::HostConfig& host) {
    auto is = [](std::string_view mode, std::initializer_list<std::string_view> allowed) {
        return std::find(allowed.begin(), allowed.end(), mode) != allowed.end();
    };
    if (!is(host.ipc_mode, {"", "none", "private", "shareable", "host"}) && !host.ipc_mode.starts_with("container:"))
        return invalid(concat("invalid IPC mode: ", host.ipc_mode));
    if (!is(host.pid_mode, {"", "host"}) && !host.pid_mode.starts_with("container:")) return invalid(concat("invalid PID mode: ", host.pid_mode));
    if (!is(host.uts_mode, {"", "host"})) return invalid(concat("invalid UTS mode: ", host.uts_mode));
    if (!is(host.cgroupns_mode, {"", "private", "host"})) return invalid(concat("invalid CgroupNS mode: ", host.cgroupns_mode));
    if (!is(host.userns_mode, {"", "host"})) return invalid(concat("invalid userns mode: ", host.userns_mode));
    if (host.network_mode.starts_with("container:") && host.network_mode.size() == 10)
        return invalid("Invalid network mode: invalid container format container:<name|id>");
    return {};
}

Result<void> validate_host(const docker::HostConfig& host) {
    TRY(validate_resources(host.resources));
    TRY(validate_restart_policy(host));
    TRY(validate_ports(host));
    TRY(validate_modes(host));
    TRY(check_apparmor_option(host));
    TRY(container::capability_sets(host));
    if (host.oom_score_adj < -1000 || host.oom_score_adj > 1000)
        return invalid(concat("Invalid value ", host.oom_score_adj, ", range for oom score adj is [-1000, 1000]"));
    for (auto& rule : host.resources.device_cgroup_rules.value_or(std::vector<std::string>())) TRY(container::parse_device_rule(rule));
    for (auto& [name, value] : host.storage_opt) {
        if (name != "size") return invalid(concat("Unknown option ", name));
        TRY(parse_bytes(value));
        return invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
    }
    if (host.shm_size < 0) return invalid("SHM size can not be less than 0");
    for (auto& ulimit : host.resources.ulimits.value_or(std::vector<docker::Ulimit>()))
        if (!container::rlimit_number(ulimit.name)) return invalid(concat("invalid ulimit type: ", ulimit.name));
    for (auto& extra : host.extra_hosts.value_or(std::vector<std::string>())) {
        auto parts = cut(extra, ":");
        if (!parts || parts->first.empty() || parts->second.empty()) return invalid(concat("bad format for add-host: ", quote(extra)));
    }
    return {};
}

}  // namespace

Result<void> validate_container(const docker::ContainerConfig& config, const docker::HostConfig& host) {
    TRY(validate_config(config));
    TRY(validate_host(host));
    return refuse_unsupported(host);
}

Result<int> parse_signal(std::string_view text) {
    auto bad = [&] { return invalid(concat("invalid signal: ", text)); };
    if (auto number = parse_int(text)) {
        if (*number < 1 || *number > 64) return bad();
        return static_cast<int>(*number);
    }
    std::string name = to_upper(text);
    std::string_view bare = trim_prefix(name, "SIG");
    for (int number = 1; number < NSIG; number++) {
        const char* abbreviation = sigabbrev_np(number);
        if (abbreviation && bare == abbreviation) return number;
    }
    if (bare == "IOT") return SIGABRT;
    if (bare == "CLD") return SIGCHLD;
    if (bare.starts_with("RTMIN") || bare.starts_with("RTMAX")) {
        int base = bare.starts_with("RTMIN") ? 34 : 64;
        std::string_view offset = bare.substr(5);
        auto value = offset.empty() ? std::optional<int64_t>(0) : parse_int(offset);
        if (value && base + *value >= 34 && base + *value <= 64) return static_cast<int>(base + *value);
    }
    return bad();
}

}  // namespace proa::engine
