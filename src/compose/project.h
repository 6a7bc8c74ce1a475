#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json/fields.h"

// A loaded compose project: every key in its long form, every name resolved, every path absolute. The fields stand in the order in
// which `config` prints them and the configuration hash sees them. Spec: compose-spec; docker compose 2.26.1 is the measure.
namespace proa::compose {

/// The release of docker compose whose surface this is; the value of com.docker.compose.version.
inline constexpr std::string_view kComposeVersion = "2.26.1";

using Mapping = std::map<std::string, std::string>;
/// A key without a value is one whose value nobody knew: it is not handed on.
using NullableMapping = std::map<std::string, std::optional<std::string>>;

/// A size in bytes; -1 where a key knows "unlimited". Printed as a text.
struct Bytes {
    int64_t value = 0;
    bool operator==(const Bytes&) const = default;
};
/// Printed as Go prints durations: 1m30s.
struct Duration {
    int64_t nanoseconds = 0;
    bool operator==(const Duration&) const = default;
};
/// A number of processors, or a ratio, with the precision of 32 bits.
struct Fraction {
    float value = 0;
    bool operator==(const Fraction&) const = default;
};

/// `x-` keys of the mapping that holds it: an object, or null when there are none.
using Extensions = json::Value;

struct WeightDevice {
    std::string path;
    int64_t weight = 0;
};
struct ThrottleDevice {
    std::string path;
    Bytes rate;
};
struct BlkioConfig {
    int64_t weight = 0;
    std::vector<WeightDevice> weight_device;
    std::vector<ThrottleDevice> device_read_bps, device_read_iops, device_write_bps, device_write_iops;
    Extensions extensions;
};

/// A secret or config that a service uses.
struct FileReference {
    std::string source;  ///< key of the project's secrets or configs
    std::string target;  ///< secrets: always set; configs: "" means /source
    std::string uid, gid;
    std::optional<int64_t> mode;  ///< permission bits
    Extensions extensions;
};

/// A limit is either single, or soft and hard.
struct Ulimit {
    int64_t single = 0, soft = 0, hard = 0;
};

struct BuildConfig {
    std::string context;     ///< absolute path, URL, or git reference
    std::string dockerfile;  ///< relative to the context, as written; "" with dockerfile_inline
    std::string dockerfile_inline;
    std::vector<std::string> entitlements;
    NullableMapping args;
    NullableMapping ssh;  ///< id to path; no path: the agent's socket
    Mapping labels;
    std::vector<std::string> cache_from, cache_to;
    bool no_cache = false;
    Mapping additional_contexts;  ///< name to path, URL, docker-image://..., or service:NAME
    bool pull = false;
    std::vector<std::string> extra_hosts;  ///< "name=address"
    std::string isolation;
    std::string network;
    std::string target;
    std::vector<FileReference> secrets;
    Bytes shm_size;
    std::vector<std::string> tags;
    std::map<std::string, Ulimit> ulimits;
    std::vector<std::string> platforms;
    bool privileged = false;
    Extensions extensions;
};

/// A command that runs in the service's container: post_start, pre_stop, sync+exec.
struct ServiceHook {
    std::optional<std::vector<std::string>> command;
    std::string user;
    bool privileged = false;
    std::string working_dir;
    NullableMapping environment;
    Extensions extensions;
};

struct WatchTrigger {
    std::string path;    ///< absolute
    std::string action;  ///< sync, rebuild, restart, sync+restart, sync+exec
    std::string target;
    ServiceHook exec;
    std::vector<std::string> ignore;   ///< patterns of .dockerignore files, from `path`
    std::vector<std::string> include;  ///< the same; empty: all
    bool initial_sync = false;         ///< all that is there is synchronised before the first change
    Extensions extensions;
};
struct DevelopConfig {
    std::vector<WatchTrigger> watch;
    Extensions extensions;
};

struct CredentialSpec {
    std::string config, file, registry;
    Extensions extensions;
};

struct ServiceDependency {
    std::string condition;  ///< service_started, service_healthy, service_completed_successfully
    bool restart = false;
    Extensions extensions;
    bool required = false;
};

struct UpdateConfig {
    std::optional<int64_t> parallelism;
    Duration delay;
    std::string failure_action;
    Duration monitor;
    Fraction max_failure_ratio;
    std::string order;
    Extensions extensions;
};
struct DeviceRequest {
    std::vector<std::string> capabilities;
    std::string driver;
    int64_t count = 0;  ///< -1: all
    std::vector<std::string> device_ids;
    Mapping options;
};
struct DiscreteResource {
    std::string kind;
    int64_t value = 0;
    Extensions extensions;
};
struct GenericResource {
    std::optional<DiscreteResource> discrete_resource_spec;
    Extensions extensions;
};
struct Resource {
    Fraction cpus;
    Bytes memory;
    int64_t pids = 0;
    std::vector<DeviceRequest> devices;
    std::vector<GenericResource> generic_resources;
    Extensions extensions;
};
struct Resources {
    std::optional<Resource> limits, reservations;
    Extensions extensions;
};
struct RestartPolicy {
    std::string condition;  ///< none, on-failure, any, as written
    std::optional<Duration> delay;
    std::optional<int64_t> max_attempts;
    std::optional<Duration> window;
    Extensions extensions;
};
struct PlacementPreference {
    std::string spread;
    Extensions extensions;
};
struct Placement {
    std::vector<std::string> constraints;
    std::vector<PlacementPreference> preferences;
    int64_t max_replicas_per_node = 0;
    Extensions extensions;
};
struct DeployConfig {
    std::string mode;
    std::optional<int64_t> replicas;
    Mapping labels;
    std::optional<UpdateConfig> update_config, rollback_config;
    Resources resources;
    std::optional<RestartPolicy> restart_policy;
    Placement placement;
    std::string endpoint_mode;
    Extensions extensions;
};

/// On the command line --device source:target:permissions; a CDI name is a source with the same target.
struct DeviceMapping {
    std::string source, target, permissions;
    Extensions extensions;
};

/// `env_file`: gone after loading (the values stand in `environment`), unless asked for.
struct EnvFile {
    std::string path;
    bool required = true;
    std::string format;  ///< "" or "raw"
};

struct HealthCheck {
    std::vector<std::string> test;  ///< CMD, CMD-SHELL or NONE first; empty: the image's
    std::optional<Duration> timeout, interval;
    std::optional<int64_t> retries;
    std::optional<Duration> start_period, start_interval;
    bool disable = false;
    Extensions extensions;
};

struct Logging {
    std::string driver;
    Mapping options;
    Extensions extensions;
};

struct ServiceNetwork {
    int64_t priority = 0;  ///< the highest is connected first
    int64_t gw_priority = 0;
    std::vector<std::string> aliases;
    std::string ipv4_address, ipv6_address;
    std::vector<std::string> link_local_ips;
    std::string mac_address;
    Mapping driver_opts;
    std::string interface_name;
    Extensions extensions;
};

struct ServicePort {
    std::string name, mode, host_ip;
    int64_t target = 0;
    std::string published;  ///< "" (any), "8080", or a range "8080-8090" to choose from
    std::string protocol;   ///< tcp, udp, sctp
    std::string app_protocol;
    Extensions extensions;
};

struct BindOptions {
    std::string selinux, propagation;
    bool create_host_path = false;
    std::string recursive;
    Extensions extensions;
};
struct VolumeOptions {
    bool nocopy = false;
    std::string subpath;
    Extensions extensions;
};
struct TmpfsOptions {
    Bytes size;
    int64_t mode = 0;
    Extensions extensions;
};
struct ImageOptions {
    std::string subpath;
    Extensions extensions;
};
struct ServiceVolume {
    std::string type;    ///< bind, volume, tmpfs, image
    std::string source;  ///< bind: absolute path; volume: key of the project's volumes, "" for an anonymous one; image: reference
    std::string target;
    bool read_only = false;
    std::string consistency;
    std::optional<BindOptions> bind;
    std::optional<VolumeOptions> volume;
    std::optional<TmpfsOptions> tmpfs;
    std::optional<ImageOptions> image;
    Extensions extensions;
};

struct Service {
    std::string name;  ///< key in the project; not a part of its wire form
    std::vector<std::string> profiles;
    Mapping annotations;
    std::optional<bool> attach;
    std::optional<BuildConfig> build;
    std::optional<DevelopConfig> develop;
    std::optional<BlkioConfig> blkio_config;
    std::vector<std::string> cap_add, cap_drop;
    std::string cgroup_parent, cgroup;
    int64_t cpu_count = 0;
    Fraction cpu_percent;
    int64_t cpu_period = 0, cpu_quota = 0, cpu_rt_period = 0, cpu_rt_runtime = 0;
    Fraction cpus;
    std::string cpuset;
    int64_t cpu_shares = 0;
    std::optional<std::vector<std::string>> command;  ///< unset: the image's; empty: none
    std::vector<FileReference> configs;
    std::string container_name;
    std::optional<CredentialSpec> credential_spec;
    std::map<std::string, ServiceDependency> depends_on;  ///< with what links, volumes_from, network_mode, ipc, pid imply
    std::optional<DeployConfig> deploy;
    std::vector<std::string> device_cgroup_rules;
    std::vector<DeviceMapping> devices;
    std::vector<std::string> dns, dns_opt, dns_search;
    std::string domainname;
    std::optional<std::vector<std::string>> entrypoint;  ///< as `command`
    NullableMapping environment;                         ///< env_file merged in
    std::vector<EnvFile> env_file;
    std::vector<std::string> expose;
    std::vector<std::string> external_links;
    std::vector<std::string> extra_hosts;  ///< "name=address", sorted
    std::vector<std::string> group_add;
    std::vector<DeviceRequest> gpus;
    std::string hostname;
    std::optional<HealthCheck> healthcheck;
    std::string image;  ///< "" when only built: <project>-<service> then
    std::optional<bool> init;
    std::string ipc, isolation;
    Mapping labels;
    std::vector<std::string> label_file;
    std::vector<std::string> links;
    std::optional<Logging> logging;
    Bytes mem_limit, mem_reservation, memswap_limit, mem_swappiness;
    std::string mac_address, network_mode;
    std::map<std::string, std::optional<ServiceNetwork>> networks;  ///< by key of the project's networks; empty with network_mode
    bool oom_kill_disable = false;
    int64_t oom_score_adj = 0;
    std::string pid;
    int64_t pids_limit = 0;
    std::string platform;
    std::vector<ServicePort> ports;
    bool privileged = false;
    std::string pull_policy;
    bool read_only = false;
    std::string restart, runtime;
    std::optional<int64_t> scale;
    std::vector<FileReference> secrets;
    std::vector<std::string> security_opt;
    Bytes shm_size;
    bool stdin_open = false;
    std::optional<Duration> stop_grace_period;
    std::string stop_signal;
    Mapping storage_opt;
    Mapping sysctls;
    std::vector<std::string> tmpfs;
    bool tty = false;
    std::map<std::string, Ulimit> ulimits;
    std::string user, userns_mode, uts;
    bool use_api_socket = false;
    std::vector<ServiceVolume> volumes;
    std::vector<std::string> volumes_from;
    std::string working_dir;
    std::vector<ServiceHook> post_start, pre_stop;
    Extensions extensions;

    /// How many containers: `scale`, else deploy.replicas, else 1.
    int64_t replicas() const;
};

struct IpamPool {
    std::string subnet, gateway, ip_range;
    Mapping aux_addresses;
    Extensions extensions;
};
struct Ipam {
    std::string driver;
    std::vector<IpamPool> config;
    Mapping options;
    Extensions extensions;
};
struct Network {
    std::string name;  ///< the engine's name: <project>_<key>, or what the file says
    std::string driver;
    Mapping driver_opts;
    Ipam ipam;
    bool external = false;
    bool internal = false, attachable = false;
    Mapping labels;
    std::optional<bool> enable_ipv4, enable_ipv6;
    Extensions extensions;
};

struct Volume {
    std::string name;  ///< the engine's
    std::string driver;
    Mapping driver_opts;
    bool external = false;
    Mapping labels;
    Extensions extensions;
};

/// A secret or a config: one of file, environment, content, or external.
struct FileObject {
    std::string name;
    std::string file;         ///< absolute
    std::string environment;  ///< name of a variable of the project's environment
    std::string content;      ///< configs: as written, or the variable's value; secrets: the variable's value
    bool external = false;
    Mapping labels;
    std::string driver;
    Mapping driver_opts;
    std::string template_driver;
    Extensions extensions;
    bool known = true;  ///< false: `environment` names a variable that is not set; not a part of the wire form
};

/// Where something stands in the files, for messages.
struct Place {
    std::string file;
    int line = 0, column = 0;
};

/// A key that is accepted and has no effect on one host, or is better written otherwise.
struct Warning {
    Place place;       ///< line 0: no place
    std::string text;  ///< whole, without the place
};

struct Project {
    std::string name;
    std::string separator = "-";                       ///< between the parts of names that are made up; "_" with --compatibility
    std::string working_dir;                           ///< absolute
    std::map<std::string, Service> services;           ///< enabled ones
    std::map<std::string, Service> disabled_services;  ///< whose profiles are not active, or that nobody selected
    std::map<std::string, Network> networks;
    std::map<std::string, Volume> volumes;
    std::map<std::string, FileObject> secrets, configs;
    Extensions extensions;

    std::vector<std::string> compose_files;  ///< absolute, in the order of merging; "-" for standard input
    std::vector<std::string> env_files;      ///< --env-file and COMPOSE_ENV_FILES, absolute; empty when .env was found by itself
    Mapping environment;                     ///< variables of the process, then of the env files
    std::vector<std::string> profiles;       ///< active ones
    std::vector<Warning> warnings;           ///< in the order they were met
};

}  // namespace proa::compose

PROA_JSON_DECLARE(proa::compose::WeightDevice)
PROA_JSON_DECLARE(proa::compose::ThrottleDevice)
PROA_JSON_DECLARE(proa::compose::BlkioConfig)
PROA_JSON_DECLARE(proa::compose::FileReference)
PROA_JSON_DECLARE(proa::compose::BuildConfig)
PROA_JSON_DECLARE(proa::compose::ServiceHook)
PROA_JSON_DECLARE(proa::compose::WatchTrigger)
PROA_JSON_DECLARE(proa::compose::DevelopConfig)
PROA_JSON_DECLARE(proa::compose::CredentialSpec)
PROA_JSON_DECLARE(proa::compose::ServiceDependency)
PROA_JSON_DECLARE(proa::compose::UpdateConfig)
PROA_JSON_DECLARE(proa::compose::DeviceRequest)
PROA_JSON_DECLARE(proa::compose::DiscreteResource)
PROA_JSON_DECLARE(proa::compose::GenericResource)
PROA_JSON_DECLARE(proa::compose::Resource)
PROA_JSON_DECLARE(proa::compose::Resources)
PROA_JSON_DECLARE(proa::compose::RestartPolicy)
PROA_JSON_DECLARE(proa::compose::PlacementPreference)
PROA_JSON_DECLARE(proa::compose::Placement)
PROA_JSON_DECLARE(proa::compose::DeployConfig)
PROA_JSON_DECLARE(proa::compose::DeviceMapping)
PROA_JSON_DECLARE(proa::compose::HealthCheck)
PROA_JSON_DECLARE(proa::compose::Logging)
PROA_JSON_DECLARE(proa::compose::ServiceNetwork)
PROA_JSON_DECLARE(proa::compose::ServicePort)
PROA_JSON_DECLARE(proa::compose::BindOptions)
PROA_JSON_DECLARE(proa::compose::VolumeOptions)
PROA_JSON_DECLARE(proa::compose::TmpfsOptions)
PROA_JSON_DECLARE(proa::compose::ImageOptions)
PROA_JSON_DECLARE(proa::compose::ServiceVolume)
PROA_JSON_DECLARE(proa::compose::Service)
PROA_JSON_DECLARE(proa::compose::IpamPool)
PROA_JSON_DECLARE(proa::compose::Ipam)
PROA_JSON_DECLARE(proa::compose::Network)
PROA_JSON_DECLARE(proa::compose::Volume)
PROA_JSON_DECLARE(proa::compose::FileObject)

// Values whose wire form is not their struct's.
template <>
const proa::json::Type& proa::json::type_of<proa::compose::Bytes>();
template <>
const proa::json::Type& proa::json::type_of<proa::compose::Duration>();
template <>
const proa::json::Type& proa::json::type_of<proa::compose::Fraction>();
template <>
const proa::json::Type& proa::json::type_of<proa::compose::Ulimit>();
template <>
const proa::json::Type& proa::json::type_of<proa::compose::EnvFile>();
