#include <algorithm>

#include "base/text.h"
#include "cli/container_options.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<std::string> check_attach(std::string_view value) {
    std::string name = to_lower(value);
    if (name != "stdin" && name != "stdout" && name != "stderr") return invalid("valid streams are STDIN, STDOUT and STDERR");
    return name;
}

Result<std::string> check_extra_host(std::string_view value) {
    size_t equals = value.find('=');
    auto parts = cut(value, equals != value.npos ? "=" : ":");
    if (!parts || parts->first.empty()) return invalid(concat("bad format for add-host: ", quote(value)));
    std::string_view address = parts->second;
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (address != "host-gateway" && !os::IpAddress::parse(address))
        return invalid(concat("invalid IP address in add-host: ", quote(address)));
    return concat(parts->first, ':', address);
}

Result<std::string> check_dns_search(std::string_view value) {
    std::string_view domain = trim(value);
    if (domain == ".") return std::string(domain);
    bool good = !domain.empty() && domain.size() < 255;
    for (auto& label : split(trim_suffix(domain, "."), '.')) {
        good = good && !label.empty() && label.size() < 64 && label.front() != '-' && label.back() != '-';
        for (unsigned char c : label) good = good && (isalnum(c) || c == '-' || c == '_');
    }
    if (!good) return invalid(concat(value, " is not a valid domain"));
    return std::string(domain);
}

Result<std::string> check_link(std::string_view value) {
    auto parts = split(value, ':');
    if (value.empty()) return invalid("empty string specified for links");
    if (parts.size() > 2) return invalid(concat("bad format for links: ", value));
    return std::string(value);
}

Result<std::string> check_device_cgroup_rule(std::string_view value) {
    auto words = split(value, ' ');
    bool good = words.size() == 3 && words[0].size() == 1 && std::string_view("acbAB").find(words[0]) != std::string_view::npos;
    if (good) {
        auto numbers = cut(words[1], ":");
        auto number = [](std::string_view text) { return text == "*" || parse_uint(text).has_value(); };
        good = numbers && number(numbers->first) && number(numbers->second) && !words[2].empty() && words[2].size() <= 3 &&
               words[2].find_first_not_of("rwm") == std::string::npos;
    }
    if (!good) return invalid(concat("invalid device cgroup format '", value, "'"));
    return std::string(value);
}

Result<std::string> check_sysctl(std::string_view value) {
    static constexpr std::string_view kKnown[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                                  "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    auto parts = cut(value, "=");
    bool good = parts && (parts->first.starts_with("net.") || parts->first.starts_with("fs.mqueue."));
    if (parts)
        for (auto known : kKnown) good |= parts->first == known;
    if (!good) return invalid(concat("sysctl '", value, "' is not allowed"));
    return std::string(value);
}

Result<std::string> check_mount(std::string_view value) {
    TRY(parse_mount(value));
    return std::string(value);
}
Result<std::string> check_network(std::string_view value) {
    TRY(parse_network_attachment(value));
    return std::string(value);
}
Result<std::string> check_gpus(std::string_view value) {
    TRY(parse_gpu_request(value));
    return std::string(value);
}

// The rows of create; run has its own beside them (kRunOnly).
const Flag kCommon[] = {
    {"add-host", 0, FlagType::List, "Add a custom host-to-IP mapping (host:ip)", nullptr, "", 0, nullptr, nullptr, check_extra_host},
    {"annotation", 0, FlagType::Map, "Add an annotation to the container (passed through to the OCI runtime)", "(default map[])"},
    {"attach", 'a', FlagType::List, "Attach to STDIN, STDOUT or STDERR", nullptr, "", 0, nullptr, nullptr, check_attach},
    {"blkio-weight", 0, FlagType::Uint16, "Block IO weight between 10 and 1000 (0: disabled)", "(default 0)"},
    {"blkio-weight-device", 0, FlagType::WeightDevice, "Block IO weight of a device (device:weight)", "(default [])"},
    {"cap-add", 0, FlagType::List, "Add Linux capabilities"},
    {"cap-drop", 0, FlagType::List, "Drop Linux capabilities"},
    {"cgroup-parent", 0, FlagType::String, "Optional parent cgroup for the container"},
    {"cgroupns", 0, FlagType::String, "Cgroup namespace to use (host|private); the daemon's default when empty"},
    {"cidfile", 0, FlagType::String, "Write the container ID to the file"},
    {"cpu-count", 0, FlagType::Int64, "CPU count (Windows only)", nullptr, "", kHidden},
    {"cpu-percent", 0, FlagType::Int64, "CPU percent (Windows only)", nullptr, "", kHidden},
    {"cpu-period", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-rt-period", 0, FlagType::Int64, "Limit the CPU real-time period in microseconds"},
    {"cpu-rt-runtime", 0, FlagType::Int64, "Limit the CPU real-time runtime in microseconds"},
    {"cpu-shares", 'c', FlagType::Int64, "CPU shares (relative weight)"},
    {"cpus", 0, FlagType::Decimal, "Number of CPUs"},
    {"cpuset-cpus", 0, FlagType::String, "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::String, "Memory nodes in which to allow execution (0-3, 0,1)"},
    {"device", 0, FlagType::List, "Add a host device to the container"},
    {"device-cgroup-rule", 0, FlagType::List, "Add a rule to the list of allowed devices of the cgroup", nullptr, "", 0, nullptr, nullptr,
     check_device_cgroup_rule},
    {"device-read-bps", 0, FlagType::ThrottleBps, "Limit the read rate from a device (bytes per second)", "(default [])"},
    {"device-read-iops", 0, FlagType::ThrottleIops, "Limit the read rate from a device (IO per second)", "(default [])"},
    {"device-write-bps", 0, FlagType::ThrottleBps, "Limit the write rate to a device (bytes per second)", "(default [])"},
    {"device-write-iops", 0, FlagType::ThrottleIops, "Limit the write rate to a device (IO per second)", "(default [])"},
    {"disable-content-trust", 0, FlagType::Bool, "Skip image verification", "(default true)", "true"},
    {"dns", 0, FlagType::List, "Set custom DNS servers", nullptr, "", 0, nullptr, nullptr, check_ip},
    {"dns-opt", 0, FlagType::List, "", nullptr, "", kHidden, "dns-option"},
    {"dns-option", 0, FlagType::List, "Set DNS options"},
    {"dns-search", 0, FlagType::List, "Set custom DNS search domains", nullptr, "", 0, nullptr, nullptr, check_dns_search},
    {"domainname", 0, FlagType::String, "NIS domain name of the container"},
    {"entrypoint", 0, FlagType::String, "Overwrite the ENTRYPOINT of the image"},
    {"env", 'e', FlagType::List, "Set environment variables", nullptr, "", 0, nullptr, nullptr, check_environment},
    {"env-file", 0, FlagType::List, "Read a file of environment variables"},
    {"expose", 0, FlagType::List, "Expose a port or a range of ports"},
    {"gpus", 0, FlagType::GpuRequest, "GPU devices to add to the container ('all' to pass all GPUs)", nullptr, "", 0, nullptr, nullptr, check_gpus},
    {"group-add", 0, FlagType::List, "Add additional groups to join"},
    {"health-cmd", 0, FlagType::String, "Command to run to check health"},
    {"health-interval", 0, FlagType::Duration, "Time between two checks (ms|s|m|h)", "(default 0s)"},
    {"health-on-failure", 0, FlagType::String, "What to do once the container is unhealthy (none|restart|stop|kill)"},
    {"health-retries", 0, FlagType::Int, "Consecutive failures needed to report unhealthy"},
    {"health-start-interval", 0, FlagType::Duration, "Time between two checks during the start period (ms|s|m|h)", "(default 0s)"},
    {"health-start-period", 0, FlagType::Duration, "Time for the container to initialize before failures count (ms|s|m|h)", "(default 0s)"},
    {"health-timeout", 0, FlagType::Duration, "Maximum time to allow one check to run (ms|s|m|h)", "(default 0s)"},
    {"help", 0, FlagType::Bool, "Print usage"},
    {"hostname", 'h', FlagType::String, "Host name of the container"},
    {"init", 0, FlagType::Bool, "Run an init inside the container that forwards signals and reaps processes"},
    {"interactive", 'i', FlagType::Bool, "Keep STDIN open even if not attached"},
    {"io-maxbandwidth", 0, FlagType::Bytes, "Maximum IO bandwidth of the system drive (Windows only)", nullptr, "", kHidden},
    {"io-maxiops", 0, FlagType::Uint64, "Maximum IOps of the system drive (Windows only)", nullptr, "", kHidden},
    {"ip", 0, FlagType::Ip, "IPv4 address (e.g., 172.30.100.104)"},
    {"ip6", 0, FlagType::Ip, "IPv6 address (e.g., 2001:db8::33)"},
    {"ipc", 0, FlagType::String, "IPC mode to use"},
    {"isolation", 0, FlagType::String, "Container isolation technology"},
    {"kernel-memory", 0, FlagType::Bytes, "Kernel memory limit"},
    {"label", 'l', FlagType::List, "Set metadata on a container", nullptr, "", 0, nullptr, nullptr, check_label},
    {"label-file", 0, FlagType::List, "Read a file of labels, one per line"},
    {"link", 0, FlagType::List, "Add a link to another container", nullptr, "", 0, nullptr, nullptr, check_link},
    {"link-local-ip", 0, FlagType::List, "Link-local IPv4 or IPv6 addresses of the container"},
    {"log-driver", 0, FlagType::String, "Logging driver for the container"},
    {"log-opt", 0, FlagType::List, "Log driver options"},
    {"mac-address", 0, FlagType::String, "MAC address of the container (e.g., 92:d0:c6:0a:29:33)"},
    {"memory", 'm', FlagType::Bytes, "Memory limit"},
    {"memory-reservation", 0, FlagType::Bytes, "Memory soft limit"},
    {"memory-swap", 0, FlagType::SignedBytes, "Swap limit: memory plus swap, -1 for unlimited swap"},
    {"memory-swappiness", 0, FlagType::Int64, "Tune memory swappiness (0 to 100)", "(default -1)", "-1"},
    {"mount", 0, FlagType::Mount, "Attach a filesystem mount to the container", nullptr, "", 0, nullptr, nullptr, check_mount},
    {"name", 0, FlagType::String, "Assign a name to the container"},
    {"net", 0, FlagType::Network, "", nullptr, "", kHidden, "network"},
    {"net-alias", 0, FlagType::List, "", nullptr, "", kHidden, "network-alias"},
    {"network", 0, FlagType::Network, "Connect a container to a network", nullptr, "", 0, nullptr, nullptr, check_network},
    {"network-alias", 0, FlagType::List, "Add a network-scoped alias for the container"},
    {"no-healthcheck", 0, FlagType::Bool, "Disable any container-specified HEALTHCHECK"},
    {"oom-kill-disable", 0, FlagType::Bool, "Disable the OOM killer"},
    {"oom-score-adj", 0, FlagType::Int, "Tune the host's OOM preferences (-1000 to 1000)"},
    {"pid", 0, FlagType::String, "PID namespace to use"},
    {"pids-limit", 0, FlagType::Int64, "Limit the number of processes (-1 for unlimited)"},
    {"platform", 0, FlagType::String, "Set platform if server is multi-platform capable"},
    {"privileged", 0, FlagType::Bool, "Give extended privileges to this container"},
    {"publish", 'p', FlagType::List, "Publish a container's port(s) to the host"},
    {"publish-all", 'P', FlagType::Bool, "Publish all exposed ports to random ports"},
    {"pull", 0, FlagType::String, "Pull the image before creating (\"always\", \"missing\", \"never\")", "(default \"missing\")", "missing"},
    {"quiet", 'q', FlagType::Bool, "Suppress the pull output"},
    {"read-only", 0, FlagType::Bool, "Mount the container's root filesystem as read only"},
    {"restart", 0, FlagType::String, "Restart policy to apply when a container exits", "(default \"no\")", "no"},
    {"restart-delay", 0, FlagType::String, "First and longest wait before a restart, as in 1s:5m (not in docker)", "(default 100ms:1m)"},
    {"rm", 0, FlagType::Bool, "Remove the container and its anonymous volumes when it exits"},
    {"runtime", 0, FlagType::String, "Runtime to use for this container"},
    {"security-opt", 0, FlagType::List, "Security options"},
    {"shm-size", 0, FlagType::Bytes, "Size of /dev/shm"},
    {"stop-signal", 0, FlagType::String, "Signal to stop the container"},
    {"stop-timeout", 0, FlagType::Int, "Timeout (in seconds) to stop a container"},
    {"storage-opt", 0, FlagType::List, "Storage driver options for the container"},
    {"sysctl", 0, FlagType::Map, "Sysctl options", "(default map[])", "", 0, nullptr, nullptr, check_sysctl},
    {"tmpfs", 0, FlagType::List, "Mount a tmpfs directory"},
    {"tty", 't', FlagType::Bool, "Allocate a pseudo-TTY"},
    {"ulimit", 0, FlagType::Ulimit, "Ulimit options", "(default [])"},
    {"use-api-socket", 0, FlagType::Bool, "Bind mount the API socket and the registry credentials"},
    {"user", 'u', FlagType::String, "User name or UID (format: <name|uid>[:<group|gid>])"},
    {"userns", 0, FlagType::String, "User namespace to use"},
    {"uts", 0, FlagType::String, "UTS namespace to use"},
    {"volume", 'v', FlagType::List, "Bind mount a volume"},
    {"volume-driver", 0, FlagType::String, "Optional volume driver for the container"},
    {"volumes-from", 0, FlagType::List, "Mount volumes from the specified container(s)"},
    {"workdir", 'w', FlagType::String, "Working directory inside the container"},
};
const Flag kRunOnly[] = {
    {"detach", 'd', FlagType::Bool, "Run container in background and print container ID"},
    {"detach-keys", 0, FlagType::String, "Override the key sequence for detaching a container"},
    {"sig-proxy", 0, FlagType::Bool, "Proxy received signals to the process", "(default true)", "true"},
};
}  // namespace

std::span<const Flag> create_flags() { return kCommon; }

std::span<const Flag> run_flags() {
    static const std::vector<Flag> kAll = [] {
        std::vector<Flag> all(std::begin(kCommon), std::end(kCommon));
        all.insert(all.end(), std::begin(kRunOnly), std::end(kRunOnly));
        std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return std::string_view(a.name) < b.name; });
        return all;
    }();
    return kAll;
}

Result<std::string> check_environment(std::string_view value) {
    if (value.empty() || value[0] == '=') return invalid(concat("invalid environment variable: ", value));
    return std::string(value);
}

Result<std::string> check_label(std::string_view value) {
    auto parts = cut(value, "=");
    if (trim(parts ? parts->first : value).empty()) return invalid(concat("invalid label '", value, "': empty name"));
    return std::string(value);
}

Result<std::string> check_ip(std::string_view value) {
    auto address = os::IpAddress::parse(trim(value));
    if (!address) return invalid(concat("IP address is not correctly formatted: ", value));
    return address->text();
}

}  // namespace proa::cli
