#pragma once
#include "codec/json/fields.h"
#include "schema/docker/ports.h"

// API: containers. Field order is the wire's; std::optional is null when unset.
namespace proa::docker {

using Strings = std::optional<std::vector<std::string>>;
using StringMap = std::map<std::string, std::string>;
using OptionalStringMap = std::optional<StringMap>;
using Set = std::map<std::string, json::Value>;  ///< {"/data":{}}
using OptionalSet = std::optional<Set>;

struct HealthConfig {
    std::vector<std::string> test;
    int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  ///< nanoseconds
    int64_t retries = 0;
    std::string on_failure;  ///< ours: what happens once it is unhealthy: "none", "restart", "stop", "kill"
};

/// What an image or a create request says about the process.
struct ContainerConfig {
    std::string hostname, domainname, user;
    bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
    OptionalPortSet exposed_ports;
    bool tty = false, open_stdin = false, stdin_once = false;
    Strings env, cmd;
    std::optional<HealthConfig> healthcheck;
    bool args_escaped = false;
    std::string image;
    OptionalSet volumes;
    std::string working_dir;
    Strings entrypoint;
    bool network_disabled = false;
    std::string mac_address;
    Strings on_build;
    OptionalStringMap labels;
    std::string stop_signal;
    std::optional<int64_t> stop_timeout;
    std::vector<std::string> shell;
};

struct RestartPolicy {
    std::string name;
    int64_t maximum_retry_count = 0;
    int64_t delay_minimum = 0, delay_maximum = 0;  ///< ours, nanoseconds: the first wait and the longest; 0: 100 ms, one minute
};
struct LogConfig {
    std::string type;
    OptionalStringMap config;
};
struct WeightDevice {
    std::string path;
    uint16_t weight = 0;
};
struct ThrottleDevice {
    std::string path;
    uint64_t rate = 0;
};
struct DeviceMapping {
    std::string path_on_host, path_in_container, cgroup_permissions;
};
struct DeviceRequest {
    std::string driver;
    int64_t count = 0;
    Strings device_ids;
    std::optional<std::vector<std::vector<std::string>>> capabilities;
    OptionalStringMap options;
};
struct Ulimit {
    std::string name;
    int64_t hard = 0, soft = 0;
};

struct BindOptions {
    std::string propagation;
    bool non_recursive = false, create_mountpoint = false, read_only_non_recursive = false, read_only_force_recursive = false;
    std::string id_map;  ///< our own: "match-user"
};
struct VolumeDriverConfig {
    std::string name;
    StringMap options;
};
struct VolumeOptions {
    bool no_copy = false;
    StringMap labels;
    std::optional<VolumeDriverConfig> driver_config;
    std::string subpath;
};
struct TmpfsOptions {
    int64_t size_bytes = 0;
    uint32_t mode = 0;
    std::vector<std::vector<std::string>> options;
};
struct ImageOptions {
    std::string subpath;
};
struct MountRequest {
    std::string type, source, target;
    bool read_only = false;
    std::string consistency;
    std::optional<BindOptions> bind_options;
    std::optional<VolumeOptions> volume_options;
    std::optional<TmpfsOptions> tmpfs_options;
    std::optional<ImageOptions> image_options;
};

struct Resources {
    int64_t cpu_shares = 0, memory = 0, nano_cpus = 0;
    std::string cgroup_parent;
    uint16_t blkio_weight = 0;
    std::optional<std::vector<WeightDevice>> blkio_weight_device;
    std::optional<std::vector<ThrottleDevice>> blkio_device_read_bps, blkio_device_write_bps, blkio_device_read_iops, blkio_device_write_iops;
    int64_t cpu_period = 0, cpu_quota = 0, cpu_realtime_period = 0, cpu_realtime_runtime = 0;
    std::string cpuset_cpus, cpuset_mems;
    std::optional<std::vector<DeviceMapping>> devices;
    Strings device_cgroup_rules;
    std::optional<std::vector<DeviceRequest>> device_requests;
    int64_t kernel_memory_tcp = 0;
    int64_t memory_reservation = 0, memory_swap = 0;
    std::optional<int64_t> memory_swappiness;
    std::optional<bool> oom_kill_disable;
    std::optional<int64_t> pids_limit;
    std::optional<std::vector<Ulimit>> ulimits;
    int64_t cpu_count = 0, cpu_percent = 0;
    uint64_t io_maximum_iops = 0, io_maximum_bandwidth = 0;
};

struct HostConfig {
    Strings binds;
    std::string container_id_file;
    LogConfig log_config;
    std::string network_mode;
    std::optional<PortMap> port_bindings;
    RestartPolicy restart_policy;
    bool auto_remove = false;
    std::string volume_driver;
    Strings volumes_from;
    std::vector<uint32_t> console_size{0, 0};
    StringMap annotations;
    Strings cap_add, cap_drop;
    std::string cgroupns_mode;
    Strings dns, dns_options, dns_search, extra_hosts, group_add;
    std::string ipc_mode, cgroup;
    Strings links;
    int64_t oom_score_adj = 0;
    std::string pid_mode;
    bool privileged = false, publish_all_ports = false, readonly_rootfs = false;
    Strings security_opt;
    StringMap storage_opt, tmpfs;
    std::string uts_mode, userns_mode;
    int64_t shm_size = 0;
    StringMap sysctls;
    std::string runtime, isolation;
    Resources resources;
    std::vector<MountRequest> mounts;
    Strings masked_paths, readonly_paths;
    std::optional<bool> init;
};

struct EndpointIpamConfig {
    std::string ipv4_address, ipv6_address;
    std::vector<std::string> link_local_ips;
};
struct EndpointSettings {
    std::optional<EndpointIpamConfig> ipam_config;
    Strings links, aliases;
    std::string mac_address;
    OptionalStringMap driver_opts;
    int64_t gw_priority = 0;
    std::string network_id, endpoint_id, gateway, ip_address;
    int64_t ip_prefix_len = 0;
    std::string ipv6_gateway, global_ipv6_address;
    int64_t global_ipv6_prefix_len = 0;
    Strings dns_names;
};
struct NetworkingConfig {
    std::map<std::string, std::optional<EndpointSettings>> endpoints_config;
};

/// Body of POST /containers/create: the config's fields at the top level.
struct CreateRequest {
    ContainerConfig config;
    HostConfig host_config;
    std::optional<NetworkingConfig> networking_config;
};

struct HealthcheckResult {
    Time start, end;
    int64_t exit_code = 0;
    std::string output;
};
struct Health {
    std::string status;
    int64_t failing_streak = 0;
    std::optional<std::vector<HealthcheckResult>> log;
};
struct ContainerState {
    std::string status = "created";
    bool running = false, paused = false, restarting = false, oom_killed = false, dead = false;
    int64_t pid = 0, exit_code = 0;
    std::string error;
    Time started_at, finished_at;
    std::optional<Health> health;
};

struct MountPoint {
    std::string type, name, source, destination, driver, mode;
    bool rw = true;
    std::string propagation;
};
struct GraphDriver {
    std::optional<StringMap> data;
    std::string name;
};
struct NetworkSettings {
    std::string bridge, sandbox_id, sandbox_key;
    PortMap ports;
    bool hairpin_mode = false;
    std::string link_local_ipv6_address;
    int64_t link_local_ipv6_prefix_len = 0;
    std::optional<std::vector<json::Value>> secondary_ip_addresses, secondary_ipv6_addresses;
    std::string endpoint_id, gateway, global_ipv6_address;
    int64_t global_ipv6_prefix_len = 0;
    std::string ip_address;
    int64_t ip_prefix_len = 0;
    std::string ipv6_gateway, mac_address;
    std::map<std::string, EndpointSettings> networks;
};
struct Descriptor {
    std::string media_type, digest;
    int64_t size = 0;
    json::Value platform;
    OptionalStringMap annotations;
};

struct ContainerInspect {
    std::string id;
    Time created;
    std::string path;
    std::vector<std::string> args;
    ContainerState state;
    std::string image, resolv_conf_path, hostname_path, hosts_path, log_path, name;
    int64_t restart_count = 0;
    std::string driver, platform, mount_label, process_label, app_armor_profile;
    Strings exec_ids;
    HostConfig host_config;
    GraphDriver graph_driver;
    std::optional<int64_t> size_rw, size_root_fs;
    std::vector<MountPoint> mounts;
    ContainerConfig config;
    NetworkSettings network_settings;
    std::optional<Descriptor> image_manifest_descriptor;
};

struct PortSummary {
    std::string ip;
    uint16_t private_port = 0, public_port = 0;
    std::string type;
};
struct SummaryHostConfig {
    std::string network_mode;
    StringMap annotations;
};
struct SummaryNetworkSettings {
    std::map<std::string, EndpointSettings> networks;
};
struct ContainerSummary {
    std::string id;
    std::vector<std::string> names;
    std::string image, image_id, command;
    int64_t created = 0;
    std::vector<PortSummary> ports;
    std::optional<int64_t> size_rw, size_root_fs;
    StringMap labels;
    std::string state, status;
    SummaryHostConfig host_config;
    SummaryNetworkSettings network_settings;
    std::vector<MountPoint> mounts;
    std::optional<Descriptor> image_manifest_descriptor;
};

struct ExecConfig {  ///< body of POST /containers/{id}/exec
    std::string user;
    bool privileged = false, tty = false;
    std::optional<std::vector<uint32_t>> console_size;
    bool attach_stdin = false, attach_stderr = false, attach_stdout = false, detach = false;
    std::string detach_keys;
    Strings env;
    std::string working_dir;
    Strings cmd;
};
struct ExecStart {  ///< body of POST /exec/{id}/start
    bool detach = false, tty = false;
    std::optional<std::vector<uint32_t>> console_size;
};
struct ExecProcessConfig {
    bool tty = false;
    std::string entrypoint;
    std::vector<std::string> arguments;
    bool privileged = false;
    std::string user;
};
struct ExecInspect {
    std::string id;
    bool running = false;
    std::optional<int64_t> exit_code;
    ExecProcessConfig process_config;
    bool open_stdin = false, open_stderr = false, open_stdout = false, can_remove = false;
    std::string container_id, detach_keys;
    int64_t pid = 0;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::HealthConfig)
PROA_JSON_DECLARE(proa::docker::ContainerConfig)
PROA_JSON_DECLARE(proa::docker::RestartPolicy)
PROA_JSON_DECLARE(proa::docker::LogConfig)
PROA_JSON_DECLARE(proa::docker::WeightDevice)
PROA_JSON_DECLARE(proa::docker::ThrottleDevice)
PROA_JSON_DECLARE(proa::docker::DeviceMapping)
PROA_JSON_DECLARE(proa::docker::DeviceRequest)
PROA_JSON_DECLARE(proa::docker::Ulimit)
PROA_JSON_DECLARE(proa::docker::BindOptions)
PROA_JSON_DECLARE(proa::docker::VolumeDriverConfig)
PROA_JSON_DECLARE(proa::docker::VolumeOptions)
PROA_JSON_DECLARE(proa::docker::TmpfsOptions)
PROA_JSON_DECLARE(proa::docker::ImageOptions)
PROA_JSON_DECLARE(proa::docker::MountRequest)
PROA_JSON_DECLARE(proa::docker::Resources)
PROA_JSON_DECLARE(proa::docker::HostConfig)
PROA_JSON_DECLARE(proa::docker::EndpointIpamConfig)
PROA_JSON_DECLARE(proa::docker::EndpointSettings)
PROA_JSON_DECLARE(proa::docker::NetworkingConfig)
PROA_JSON_DECLARE(proa::docker::CreateRequest)
PROA_JSON_DECLARE(proa::docker::HealthcheckResult)
PROA_JSON_DECLARE(proa::docker::Health)
PROA_JSON_DECLARE(proa::docker::ContainerState)
PROA_JSON_DECLARE(proa::docker::MountPoint)
PROA_JSON_DECLARE(proa::docker::GraphDriver)
PROA_JSON_DECLARE(proa::docker::NetworkSettings)
PROA_JSON_DECLARE(proa::docker::Descriptor)
PROA_JSON_DECLARE(proa::docker::ContainerInspect)
PROA_JSON_DECLARE(proa::docker::PortSummary)
PROA_JSON_DECLARE(proa::docker::SummaryHostConfig)
PROA_JSON_DECLARE(proa::docker::SummaryNetworkSettings)
PROA_JSON_DECLARE(proa::docker::ContainerSummary)
PROA_JSON_DECLARE(proa::docker::ExecConfig)
PROA_JSON_DECLARE(proa::docker::ExecStart)
PROA_JSON_DECLARE(proa::docker::ExecProcessConfig)
PROA_JSON_DECLARE(proa::docker::ExecInspect)
