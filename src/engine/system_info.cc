#include "engine/system_info.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/id.h"
#include "cgroup/layout.h"
#include "engine/apparmor.h"
#include "engine/container_cgroup.h"
#include "engine/networks.h"
#include "engine/settings.h"
#include "engine/transfers.h"
#include "os/file.h"
#include "os/ip_address.h"
#include "store/image_store.h"
#include "volume/store.h"

namespace proa::engine {

namespace {

/// A value of /etc/os-release.
std::string os_release(std::string_view name) {
    for (auto path : {"/etc/os-release", "/usr/lib/os-release"}) {
        auto text = os::read_file(path);
        if (!text) continue;
        for (auto& line : split(*text, '\n')) {
            auto parts = cut(line, "=");
            if (!parts || parts->first != name) continue;
            std::string_view value = parts->second;
            if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
            return std::string(value);
        }
    }
    return "";
}

std::string go_architecture(std::string_view machine) {
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    return std::string(machine);
}

struct ContainerCounts {
    int64_t all = 0, running = 0, paused = 0, stopped = 0;
};

ContainerCounts count_containers(const container::Table& table) {
    ContainerCounts counts;
    for (auto& container : table.all()) {
        auto state = container->state();
        counts.all++;
        if (state.paused) counts.paused++;
        else if (state.running) counts.running++;
        else counts.stopped++;
    }
    return counts;
}

std::string backing_filesystem(const std::string& path) {
    std::string best, type;
    for (auto& line : split(os::read_file("/proc/self/mountinfo").value_or(""), '\n')) {
        auto fields = split_fields(line);
        auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 5 || dash == fields.end() || dash + 1 == fields.end()) continue;
        auto& point = fields[4];
        bool covers = point == "/" || path == point || path.starts_with(point + "/");
        if (!covers || point.size() < best.size()) continue;
        best = point;
        type = *(dash + 1);
    }
    return type == "ext4" || type == "ext3" || type == "ext2" ? "extfs" : type;
}

json::Value pair_of(std::string name, std::string value) { return json::Array{json::Value(std::move(name)), json::Value(std::move(value))}; }

json::Value strings(std::initializer_list<const char*> texts) {
    json::Array array;
    for (auto text : texts) array.emplace_back(text);
    return array;
}

void add_kernel_facts(json::Object& info, bool v2, const cgroup::Layout& layout) {
    bool memory = layout.find("memory") != nullptr, cpu = layout.find("cpu") != nullptr;
    info.set("MemoryLimit", memory);
    info.set("SwapLimit", memory);
    info.set("CpuCfsPeriod", cpu);
    info.set("CpuCfsQuota", cpu);
    info.set("CPUShares", cpu);
    info.set("CPUSet", layout.find("cpuset") != nullptr);
    info.set("PidsLimit", layout.find("pids") != nullptr);
    info.set("IPv4Forwarding", os::read_file("/proc/sys/net/ipv4/ip_forward", 16).value_or("0").starts_with("1"));
    info.set("OomKillDisable", memory && !v2);
}

json::Value runtimes_value(const Settings& settings) {
    json::Object runtimes;
    for (auto name : {kBuiltinRuntime, std::string_view("runc"), std::string_view("io.containerd.runc.v2")})
        runtimes.set(name, json::Object{{"path", json::Value("proa-runtime")}});
    for (auto& [name, runtime] : settings.runtimes) runtimes.set(name, json::Object{{"path", json::Value(runtime.path)}});
    runtimes.sort();
    return runtimes;
}

json::Value registry_value(const Settings& settings) {
    auto mirrors = registry_config(settings).mirrors;
    json::Object registry, indexes;
    auto add_index = [&](const std::string& name, bool secure) {
        auto urls = mirrors.find(name);
        indexes.set(name, json::Object{{"Name", name},
                                       {"Mirrors", json::Value::strings(urls == mirrors.end() ? std::vector<std::string>() : urls->second)},
                                       {"Secure", secure},
                                       {"Official", name == "docker.io"}});
    };
    std::vector<std::string> nets{"::1/128", "127.0.0.0/8"};
    for (auto& [name, urls] : mirrors) add_index(name, true);
    for (auto& entry : settings.insecure_registries) {
        if (os::IpPrefix::parse(entry)) nets.push_back(entry);
        else add_index(entry, false);
    }
    registry.set("InsecureRegistryCIDRs", json::Value::strings(nets));
    registry.set("IndexConfigs", std::move(indexes));
    registry.set("Mirrors", settings.registry_mirrors.empty() ? json::Value() : json::Value::strings(settings.registry_mirrors));
    return registry;
}

/// A proxy's address as everybody may see it.
std::string without_password(const std::string& url) {
    size_t scheme = url.find("://"), at = url.rfind('@');
    if (scheme == std::string::npos || at == std::string::npos) return url;
    return concat(url.substr(0, scheme + 3), "xxxxx:xxxxx", url.substr(at));
}

void add_docker_constants(json::Object& info, const Settings& settings, const std::vector<std::string>& volume_drivers) {
    json::Object plugins;
    plugins.set("Volume", json::Value::strings(volume_drivers));
    plugins.set("Network", strings({"bridge", "host", "ipvlan", "macvlan", "null"}));
    plugins.set("Authorization", json::Value());
    plugins.set("Log", strings({"fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"}));
    info.set("Plugins", std::move(plugins));
    info.set("IndexServerAddress", "https://index.docker.io/v1/");
    info.set("RegistryConfig", registry_value(settings));
    info.set("GenericResources", json::Value());
    info.set("HttpProxy", without_password(settings.http_proxy));
    info.set("HttpsProxy", without_password(settings.https_proxy));
    info.set("NoProxy", settings.no_proxy);
    json::Object swarm;
    swarm.set("NodeID", "");
    swarm.set("NodeAddr", "");
    swarm.set("LocalNodeState", "inactive");
    swarm.set("ControlAvailable", false);
    swarm.set("Error", "");
    swarm.set("RemoteManagers", json::Value());
    info.set("Swarm", std::move(swarm));
    info.set("Isolation", "");
    info.set("InitBinary", settings.init_path.empty() ? "proa-init" : settings.init_path);
    json::Object none;
    none.set("ID", "");
    info.set("ContainerdCommit", none);
    info.set("RuncCommit", none);
    info.set("InitCommit", none);
}

}  // namespace

Result<std::string> engine_id(const Paths& paths) {
    std::string file = paths.data_root + "/engine-id";
    auto id = os::read_file(file, 128);
    if (id && !trim(*id).empty()) return std::string(trim(*id));
    std::string raw = random_hex(16);
    std::string fresh = concat(raw.substr(0, 8), '-', raw.substr(8, 4), "-4", raw.substr(13, 3), "-8", raw.substr(17, 3), '-', raw.substr(20, 12));
    TRY(os::replace_file(file, fresh, 0600, true));
    return fresh;
}

docker::Version version_of(const std::string& api_version, const std::string& min_api_version) {
    utsname name{};
    ::uname(&name);
    docker::Version version;
    version.platform.name = concat("Proa ", PROA_RELEASE);
    version.version = PROA_VERSION;
    version.api_version = api_version;
    version.min_api_version = min_api_version;
    version.git_commit = PROA_RELEASE;
    version.go_version = concat("none (C++, g++ ", __VERSION__, ")");
    version.os = "linux";
    version.arch = go_architecture(name.machine);
    version.kernel_version = name.release;
    version.build_time = PROA_BUILD_TIME;
    docker::Component engine{"Engine", PROA_VERSION, {}};
    engine.details = {{"ApiVersion", api_version},
                      {"Arch", version.arch},
                      {"BuildTime", PROA_BUILD_TIME},
                      {"Experimental", "false"},
                      {"GitCommit", PROA_RELEASE},
                      {"GoVersion", version.go_version},
                      {"KernelVersion", version.kernel_version},
                      {"MinAPIVersion", min_api_version},
                      {"Os", "linux"}};
    version.components = {engine, docker::Component{"proa", PROA_RELEASE, {{"GitCommit", PROA_RELEASE}}}};
    return version;
}

Result<json::Value> system_info(Parts& parts) {
    auto current = parts.settings();
    auto& settings = *current;
    auto* layout = TRY(cgroup::layout());
    bool v2 = layout->version == cgroup::Version::V2;
    utsname name{};
    ::uname(&name);
    struct sysinfo memory{};
    ::sysinfo(&memory);
    auto counts = count_containers(parts.containers);
    json::Object info;
    info.set("ID", TRY(engine_id(parts.paths)));
    info.set("Containers", counts.all);
    info.set("ContainersRunning", counts.running);
    info.set("ContainersPaused", counts.paused);
    info.set("ContainersStopped", counts.stopped);
    info.set("Images", parts.images.list().size());
    info.set("Driver", store::name_of(parts.images.driver()));
    if (parts.images.driver() == store::StorageDriver::Vfs) info.set("DriverStatus", json::Array());
    else
        info.set("DriverStatus", json::Array{pair_of("Backing Filesystem", backing_filesystem(parts.paths.data_root)), pair_of("Supports d_type", "true"),
                                             pair_of("Using metacopy", "false"), pair_of("Native Overlay Diff", "true"), pair_of("userxattr", "false")});
    add_docker_constants(info, settings, parts.volumes.driver_names());
    add_kernel_facts(info, v2, *layout);
    info.set("Debug", settings.debug);
    info.set("NFd", os::list_directory("/proc/self/fd").value_or(std::vector<std::string>()).size());
    info.set("NGoroutines", os::list_directory("/proc/self/task").value_or(std::vector<std::string>()).size());
    info.set("SystemTime", rfc3339_nano(now()));
    info.set("LoggingDriver", settings.log_driver);
    info.set("CgroupDriver", name_of(cgroup_driver(settings)));
    info.set("CgroupVersion", v2 ? "2" : "1");
    info.set("NEventsListener", parts.events.subscriber_count());
    info.set("KernelVersion", name.release);
    info.set("OperatingSystem", os_release("PRETTY_NAME"));
    info.set("OSVersion", os_release("VERSION_ID"));
    info.set("OSType", "linux");
    info.set("Architecture", name.machine);
    info.set("NCPU", static_cast<int64_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
    info.set("MemTotal", static_cast<uint64_t>(memory.totalram) * memory.mem_unit);
    info.set("DockerRootDir", parts.paths.data_root);
    info.set("Name", name.nodename);
    info.set("Labels", json::Value::strings(settings.labels));
    info.set("ExperimentalBuild", settings.experimental);
    info.set("ServerVersion", PROA_VERSION);
    info.set("Runtimes", runtimes_value(settings));
    info.set("DefaultRuntime", settings.default_runtime);
    info.set("LiveRestoreEnabled", true);
    json::Array security;
    if (has_apparmor()) security.emplace_back("name=apparmor");
    security.emplace_back(concat("name=seccomp,profile=", settings.seccomp_profile));
    if (parts.remap.active()) security.emplace_back("name=userns");
    if (v2) security.emplace_back("name=cgroupns");
    if (settings.no_new_privileges) security.emplace_back("name=no-new-privileges");
    info.set("SecurityOptions", std::move(security));
    info.set("CDISpecDirs", json::Array());
    auto warnings = parts.network.warnings();
    info.set("Warnings", warnings.empty() ? json::Value() : json::Value::strings(warnings));
    return json::Value(std::move(info));
}

}  // namespace proa::engine
