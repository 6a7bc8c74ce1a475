#include "cli/container_options.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
constexpr int64_t kMillisecond = 1000000;

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

/// Nothing given is null on the wire, as Docker's own client sends it.
docker::Strings given(const std::vector<std::string>& items) { return items.empty() ? docker::Strings() : docker::Strings(items); }
docker::Strings always(const std::vector<std::string>& items) { return items; }

/// One item a variable: the first one's place, the last one's value.
std::vector<std::string> last_of_each(const std::vector<std::string>& items) {
    std::vector<std::string> out;
    auto name = [](const std::string& item) { return std::string_view(item).substr(0, item.find('=')); };
    for (auto& item : items) {
        auto same = std::find_if(out.begin(), out.end(), [&](auto& other) { return name(other) == name(item); });
        if (same == out.end()) out.push_back(item);
        else *same = item;
    }
    return out;
}

/// Reads the flags of one call into a request, one concern a function.
class Builder {
public:
    explicit Builder(const FlagSet& flags) : flags_(flags), config_(out_.request.config), host_(out_.request.host_config) {}

    Result<ContainerOptions> build(const std::vector<std::string>& arguments) {
        config_.image = arguments[0];
        if (arguments.size() > 1) config_.cmd = std::vector<std::string>(arguments.begin() + 1, arguments.end());
        TRY(process());
        TRY(environment_and_labels());
        TRY(volumes());
        TRY(ports());
        TRY(resources());
        TRY(devices());
        TRY(namespaces());
        TRY(health());
        TRY(restart_and_logs());
        TRY(security());
        TRY(networks());
        out_.name = flags_.text("name");
        out_.platform = flags_.text("platform");
        out_.id_file = flags_.text("cidfile");
        return std::move(out_);
    }

private:
    Result<void> process() {
        auto& attach = flags_.list("attach");
        auto attached = [&](std::string_view name) { return std::find(attach.begin(), attach.end(), name) != attach.end(); };
        bool interactive = flags_.is("interactive");
        config_.attach_stdin = attached("stdin") || interactive;
        config_.attach_stdout = attached("stdout") || attach.empty();
        config_.attach_stderr = attached("stderr") || attach.empty();
        config_.open_stdin = interactive;
        config_.stdin_once = interactive && config_.attach_stdin;
        config_.tty = flags_.is("tty");
        config_.hostname = flags_.text("hostname");
        config_.domainname = flags_.text("domainname");
        config_.user = flags_.text("user");
        config_.working_dir = flags_.text("workdir");
        config_.volumes.emplace();
        config_.labels.emplace();
        if (flags_.changed("entrypoint")) config_.entrypoint = std::vector<std::string>{flags_.text("entrypoint")};
        if (flags_.changed("stop-signal")) config_.stop_signal = flags_.text("stop-signal");
        if (flags_.changed("stop-timeout")) config_.stop_timeout = flags_.integer("stop-timeout");
        if (flags_.changed("init")) host_.init = flags_.is("init");
        host_.auto_remove = flags_.is("rm");
        host_.container_id_file = flags_.text("cidfile");
        return {};
    }

    Result<void> environment_and_labels() {
        std::vector<std::string> environment;
        for (auto& path : flags_.list("env-file")) {
            auto items = TRY(read_key_value_file(path, true));
            environment.insert(environment.end(), items.begin(), items.end());
        }
        for (auto& item : flags_.list("env")) {
            size_t before = environment.size();
            add_environment(item, environment);
            if (environment.size() == before) environment.push_back(item);  // the daemon unsets what has no value
        }
        config_.env = given(last_of_each(environment));
        std::vector<std::string> labels;
        for (auto& path : flags_.list("label-file")) {
            auto items = TRY(read_key_value_file(path, false));
            labels.insert(labels.end(), items.begin(), items.end());
        }
        labels.insert(labels.end(), flags_.list("label").begin(), flags_.list("label").end());
        config_.labels = key_values(labels);
        host_.annotations = key_values(flags_.list("annotation"));
        host_.sysctls = key_values(flags_.list("sysctl"));
        return {};
    }

    Result<void> volumes() {
        std::vector<std::string> binds;
        for (auto& spec : flags_.list("volume")) {
            auto volume = TRY(parse_volume(spec));
            if (volume.bind) binds.push_back(volume.text);
            else (*config_.volumes)[volume.target] = json::Object();
        }
        host_.binds = given(binds);
        for (auto& spec : flags_.list("mount")) host_.mounts.push_back(TRY(parse_mount(spec)));
        for (auto& spec : flags_.list("tmpfs")) {
            auto parts = cut(spec, ":");
            host_.tmpfs[std::string(parts ? parts->first : spec)] = parts ? std::string(parts->second) : "";
        }
        host_.volumes_from = given(flags_.list("volumes-from"));
        host_.volume_driver = flags_.text("volume-driver");
        for (auto& item : flags_.list("storage-opt")) {
            auto parts = cut(item, "=");
            if (!parts) return invalid("invalid storage option");
            host_.storage_opt[std::string(parts->first)] = parts->second;
        }
        return {};
    }

    Result<void> ports() {
        docker::PortSet exposed;
        host_.port_bindings.emplace();
        for (auto& spec : flags_.list("publish")) TRY(add_published_port(spec, exposed, *host_.port_bindings));
        for (auto& spec : flags_.list("expose")) TRY(add_exposed_port(spec, exposed));
        if (!exposed.empty()) config_.exposed_ports = std::move(exposed);
        host_.publish_all_ports = flags_.is("publish-all");
        return {};
    }

    Result<void> resources() {
        auto& r = host_.resources;
        int64_t swappiness = flags_.integer("memory-swappiness");
        if (swappiness != -1 && (swappiness < 0 || swappiness > 100))
            return invalid(concat("invalid value: ", swappiness, ". Valid memory swappiness range is 0-100"));
        r.memory_swappiness = swappiness;
        r.cgroup_parent = flags_.text("cgroup-parent");
        r.memory = flags_.integer("memory");
        r.memory_reservation = flags_.integer("memory-reservation");
        r.memory_swap = flags_.integer("memory-swap");
        r.oom_kill_disable = flags_.is("oom-kill-disable");
        r.nano_cpus = flags_.integer("cpus");
        r.cpu_shares = flags_.integer("cpu-shares");
        r.cpu_period = flags_.integer("cpu-period");
        r.cpu_quota = flags_.integer("cpu-quota");
        r.cpu_realtime_period = flags_.integer("cpu-rt-period");
        r.cpu_realtime_runtime = flags_.integer("cpu-rt-runtime");
        r.cpuset_cpus = flags_.text("cpuset-cpus");
        r.cpuset_mems = flags_.text("cpuset-mems");
        r.pids_limit = flags_.integer("pids-limit");
        r.cpu_count = flags_.integer("cpu-count");
        r.cpu_percent = flags_.integer("cpu-percent");
        r.io_maximum_bandwidth = static_cast<uint64_t>(flags_.integer("io-maxbandwidth"));
        r.io_maximum_iops = static_cast<uint64_t>(flags_.integer("io-maxiops"));
        r.blkio_weight = static_cast<uint16_t>(flags_.integer("blkio-weight"));
        host_.shm_size = flags_.integer("shm-size");
        host_.oom_score_adj = flags_.integer("oom-score-adj");
        auto limits = [&] {
            std::vector<docker::Ulimit> all;
            for (auto& text : flags_.list("ulimit")) {
                auto name = cut(text, "=");
                auto values = cut(name->second, ":");
                docker::Ulimit limit{std::string(name->first), parse_int(values->second).value_or(0), parse_int(values->first).value_or(0)};
                std::erase_if(all, [&](auto& other) { return other.name == limit.name; });
                all.push_back(limit);
            }
            return all;
        };
        r.ulimits = limits();
        return {};
    }

    std::vector<docker::ThrottleDevice> throttles(std::string_view flag) {
        std::vector<docker::ThrottleDevice> all;
        for (auto& text : flags_.list(flag)) {
            auto parts = cut(text, ":");
            all.push_back({std::string(parts->first), parse_uint(parts->second).value_or(0)});
        }
        return all;
    }

    Result<void> devices() {
        auto& r = host_.resources;
        r.devices.emplace();
        std::vector<docker::DeviceRequest> requests;
        std::vector<std::string> cdi;
        for (auto& spec : flags_.list("device")) {
            if (is_cdi_name(spec)) cdi.push_back(spec);
            else r.devices->push_back(TRY(parse_device(spec)));
        }
        for (auto& spec : flags_.list("gpus")) requests.push_back(TRY(parse_gpu_request(spec)));
        if (!cdi.empty()) {
            docker::DeviceRequest request;
            request.driver = "cdi";
            request.device_ids = cdi;
            requests.push_back(request);
        }
        if (!requests.empty()) r.device_requests = requests;
        r.device_cgroup_rules = given(flags_.list("device-cgroup-rule"));
        r.blkio_weight_device.emplace();
        for (auto& text : flags_.list("blkio-weight-device")) {
            auto parts = cut(text, ":");
            r.blkio_weight_device->push_back({std::string(parts->first), static_cast<uint16_t>(parse_uint(parts->second).value_or(0))});
        }
        r.blkio_device_read_bps = throttles("device-read-bps");
        r.blkio_device_write_bps = throttles("device-write-bps");
        r.blkio_device_read_iops = throttles("device-read-iops");
        r.blkio_device_write_iops = throttles("device-write-iops");
        return {};
    }

    Result<void> namespaces() {
        host_.pid_mode = flags_.text("pid");
        bool good_pid = host_.pid_mode.empty() || host_.pid_mode == "host" ||
                        (host_.pid_mode.starts_with("container:") && host_.pid_mode.size() > 10);
        if (!good_pid) return invalid("--pid: invalid PID mode");
        auto host_only = [&](std::string_view flag, std::string_view also, std::string_view name) -> Result<std::string> {
            std::string mode = flags_.text(flag);
            if (!mode.empty() && mode != "host" && (also.empty() || mode != also)) return invalid(concat("--", flag, ": invalid ", name, " mode"));
            return mode;
        };
        host_.uts_mode = TRY(host_only("uts", "", "UTS"));
        host_.userns_mode = TRY(host_only("userns", "", "USER"));
        host_.cgroupns_mode = TRY(host_only("cgroupns", "private", "CGROUP"));
        host_.ipc_mode = flags_.text("ipc");
        host_.runtime = flags_.text("runtime");
        host_.isolation = flags_.text("isolation");
        host_.privileged = flags_.is("privileged");
        host_.readonly_rootfs = flags_.is("read-only");
        host_.cap_add = given(flags_.list("cap-add"));
        host_.cap_drop = given(flags_.list("cap-drop"));
        host_.group_add = given(flags_.list("group-add"));
        host_.dns = always(flags_.list("dns"));
        host_.dns_options = always(flags_.list("dns-option"));
        host_.dns_search = always(flags_.list("dns-search"));
        host_.extra_hosts = given(flags_.list("add-host"));
        host_.links = given(flags_.list("link"));
        return {};
    }

    Result<void> health() {
        static constexpr const char* kDurations[] = {"health-interval", "health-timeout", "health-start-period", "health-start-interval"};
        std::string command = flags_.text("health-cmd");
        bool some = !command.empty() || flags_.integer("health-retries") != 0 || !flags_.text("health-on-failure").empty();
        for (auto name : kDurations) some |= flags_.integer(name) != 0;
        if (flags_.is("no-healthcheck")) {
            if (some) return invalid("--no-healthcheck conflicts with --health-* options");
            config_.healthcheck.emplace().test = {"NONE"};
            return {};
        }
        if (!some) return {};
        for (auto name : kDurations) {
            if (flags_.integer(name) < 0) return invalid(concat("--", name, " cannot be negative"));
            if (flags_.integer(name) > 0 && flags_.integer(name) < kMillisecond) continue;  // the daemon names its own minimum
        }
        if (flags_.integer("health-retries") < 0) return invalid("--health-retries cannot be negative");
        auto& check = config_.healthcheck.emplace();
        if (!command.empty()) check.test = {"CMD-SHELL", command};
        check.interval = flags_.integer("health-interval");
        check.timeout = flags_.integer("health-timeout");
        check.start_period = flags_.integer("health-start-period");
        check.start_interval = flags_.integer("health-start-interval");
        check.retries = flags_.integer("health-retries");
        check.on_failure = flags_.text("health-on-failure");
        return {};
    }

    Result<void> restart_and_logs() {
        host_.restart_policy = TRY(parse_restart_policy(flags_.text("restart")));
        TRY(parse_restart_delay(flags_.text("restart-delay"), host_.restart_policy));
        if (flags_.is("rm") && flags_.changed("restart") && host_.restart_policy.name != "no" && !host_.restart_policy.name.empty())
            return invalid("conflicting options: cannot specify both --restart and --rm");
        host_.log_config.type = flags_.text("log-driver");
        host_.log_config.config = key_values(flags_.list("log-opt"));
        if (host_.log_config.type == "none" && !host_.log_config.config->empty())
            return invalid("invalid logging opts for driver none");
        return {};
    }

    Result<void> security() {
        auto& all = flags_.list("security-opt");
        if (all.empty()) return {};
        std::vector<std::string> kept;
        for (auto& option : all) {
            auto parts = cut(option, "=");
            if (!parts) parts = cut(option, ":");
            std::string_view key = parts ? parts->first : std::string_view(option);
            if (!parts && key != "no-new-privileges" && key != "writable-cgroups") return invalid(concat("Invalid --security-opt: ", quote(option)));
            if (key == "systempaths" && parts && parts->second == "unconfined") {
                host_.masked_paths.emplace();
                host_.readonly_paths.emplace();
                continue;
            }
            if (key == "seccomp" && parts && parts->second != "unconfined" && parts->second != "builtin") {
                std::string path(parts->second);
                auto profile = os::read_file(path);
                if (!profile) {
                    std::string reason = profile.error().is(ErrorKind::NotFound) ? concat("open ", path, ": no such file or directory") : profile.error().message();
                    return invalid(concat("opening seccomp profile (", path, ") failed: ", reason));
                }
                auto value = json::parse(*profile);
                if (!value) return invalid(concat("compacting json for seccomp profile (", path, ") failed: ", value.error().message()));
                kept.push_back("seccomp=" + json::print(*value));
                continue;
            }
            kept.push_back(option);
        }
        host_.security_opt = kept;
        return {};
    }

    Result<void> apply_to_first(NetworkAttachment& first) {
        auto& settings = first.settings;
        auto conflict = [](std::string_view flag, std::string_view what) {
            return invalid(concat("conflicting options: cannot specify both --", flag, " and per-network ", what));
        };
        auto& ipam = settings.ipam_config;
        auto& aliases = flags_.list("network-alias");
        if (!aliases.empty() && settings.aliases) return conflict("network-alias", "alias");
        bool user_defined = first.name != "default" && first.name != "bridge" && first.name != "host" && first.name != "none" &&
                            !first.name.starts_with("container:");
        if (!aliases.empty()) settings.aliases = aliases;
        if (settings.aliases && !user_defined) return invalid("network-scoped aliases are only supported for user-defined networks");
        if (user_defined) settings.links = given(flags_.list("link"));
        if (flags_.changed("ip") && ipam && !ipam->ipv4_address.empty()) return conflict("ip", "IPv4 address");
        if (flags_.changed("ip6") && ipam && !ipam->ipv6_address.empty()) return conflict("ip6", "IPv6 address");
        if (flags_.changed("link-local-ip") && ipam && !ipam->link_local_ips.empty()) return conflict("link-local-ip", "link-local IP addresses");
        if (flags_.changed("mac-address") && !settings.mac_address.empty()) return conflict("mac-address", "MAC address");
        if (flags_.changed("ip") || flags_.changed("ip6") || flags_.changed("link-local-ip")) {
            if (!ipam) ipam.emplace();
            if (flags_.changed("ip")) ipam->ipv4_address = flags_.text("ip");
            if (flags_.changed("ip6")) ipam->ipv6_address = flags_.text("ip6");
            if (flags_.changed("link-local-ip")) ipam->link_local_ips = flags_.list("link-local-ip");
        }
        if (flags_.changed("mac-address")) settings.mac_address = flags_.text("mac-address");
        return {};
    }

    static bool is_plain(const docker::EndpointSettings& settings) {
        return !settings.ipam_config && !settings.links && !settings.aliases && settings.mac_address.empty() && !settings.driver_opts &&
               settings.gw_priority == 0;
    }

    Result<void> networks() {
        if (flags_.changed("mac-address") && !os::parse_mac(flags_.text("mac-address")))
            return invalid(flags_.text("mac-address") + " is not a valid mac address");
        std::vector<NetworkAttachment> all;
        for (auto& spec : flags_.list("network")) all.push_back(TRY(parse_network_attachment(spec)));
        if (all.empty()) all.push_back({"default", {}});
        TRY(apply_to_first(all[0]));
        host_.network_mode = all[0].name;
        auto& endpoints = out_.request.networking_config.emplace().endpoints_config;
        auto is_mode = [](std::string_view name) { return name == "host" || name == "none" || name.starts_with("container:"); };
        for (auto& network : all) {
            if (all.size() > 1 && is_mode(network.name))
                return invalid("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
            if (endpoints.contains(network.name)) return invalid(concat("network ", quote(network.name), " is specified multiple times"));
            if (!network.settings.mac_address.empty() && !os::parse_mac(network.settings.mac_address))
                return invalid(network.settings.mac_address + " is not a valid mac address");
            if (all.size() == 1 && is_plain(network.settings)) continue;
            endpoints[network.name] = network.settings;
        }
        return {};
    }

    const FlagSet& flags_;
    ContainerOptions out_;
    docker::ContainerConfig& config_;
    docker::HostConfig& host_;
};
}  // namespace

Result<ContainerOptions> parse_container_options(const FlagSet& flags, const std::vector<std::string>& arguments) {
    return Builder(flags).build(arguments);
}

}  // namespace proa::cli
