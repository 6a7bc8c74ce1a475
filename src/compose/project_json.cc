#include "compose/project.h"

// The wire form of the structs, in the order of compose's own, which its configuration hash depends on.
using namespace proa::compose;

PROA_JSON_TABLE(proa::compose::WeightDevice, "WeightDevice", field<&T::path>("Path"), field<&T::weight>("Weight"))

PROA_JSON_TABLE(proa::compose::ThrottleDevice, "ThrottleDevice", field<&T::path>("Path"), field<&T::rate>("Rate"))

PROA_JSON_TABLE(proa::compose::BlkioConfig, "BlkioConfig", field<&T::weight>("weight", kOmitEmpty), field<&T::weight_device>("weight_device", kOmitEmpty),
                field<&T::device_read_bps>("device_read_bps", kOmitEmpty), field<&T::device_read_iops>("device_read_iops", kOmitEmpty),
                field<&T::device_write_bps>("device_write_bps", kOmitEmpty), field<&T::device_write_iops>("device_write_iops", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::FileReference, "FileReferenceConfig", field<&T::source>("source", kOmitEmpty), field<&T::target>("target", kOmitEmpty),
                field<&T::uid>("uid", kOmitEmpty), field<&T::gid>("gid", kOmitEmpty), field<&T::mode>("mode", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::BuildConfig, "BuildConfig", field<&T::context>("context", kOmitEmpty), field<&T::dockerfile>("dockerfile", kOmitEmpty),
                field<&T::dockerfile_inline>("dockerfile_inline", kOmitEmpty), field<&T::entitlements>("entitlements", kOmitEmpty),
                field<&T::args>("args", kOmitEmpty), field<&T::ssh>("ssh", kOmitEmpty), field<&T::labels>("labels", kOmitEmpty),
                field<&T::cache_from>("cache_from", kOmitEmpty), field<&T::cache_to>("cache_to", kOmitEmpty), field<&T::no_cache>("no_cache", kOmitEmpty),
                field<&T::additional_contexts>("additional_contexts", kOmitEmpty), field<&T::pull>("pull", kOmitEmpty),
                field<&T::extra_hosts>("extra_hosts", kOmitEmpty), field<&T::isolation>("isolation", kOmitEmpty), field<&T::network>("network", kOmitEmpty),
                field<&T::target>("target", kOmitEmpty), field<&T::secrets>("secrets", kOmitEmpty), field<&T::shm_size>("shm_size", kOmitEmpty),
                field<&T::tags>("tags", kOmitEmpty), field<&T::ulimits>("ulimits", kOmitEmpty), field<&T::platforms>("platforms", kOmitEmpty),
                field<&T::privileged>("privileged", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ServiceHook, "ServiceHook", field<&T::command>("command"), field<&T::user>("user", kOmitEmpty),
                field<&T::privileged>("privileged", kOmitEmpty), field<&T::working_dir>("working_dir", kOmitEmpty),
                field<&T::environment>("environment", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::WatchTrigger, "Trigger", field<&T::path>("path"), field<&T::action>("action"), field<&T::target>("target", kOmitEmpty),
                field<&T::exec>("exec"), field<&T::ignore>("ignore", kOmitEmpty), field<&T::include>("include", kOmitEmpty),
                field<&T::initial_sync>("initial_sync", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::DevelopConfig, "DevelopConfig", field<&T::watch>("watch", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::CredentialSpec, "CredentialSpecConfig", field<&T::config>("config", kOmitEmpty), field<&T::file>("file", kOmitEmpty),
                field<&T::registry>("registry", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ServiceDependency, "ServiceDependency", field<&T::condition>("condition", kOmitEmpty), field<&T::restart>("restart", kOmitEmpty),
                field<&T::required>("required"), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::UpdateConfig, "UpdateConfig", field<&T::parallelism>("parallelism", kOmitEmpty), field<&T::delay>("delay", kOmitEmpty),
                field<&T::failure_action>("failure_action", kOmitEmpty), field<&T::monitor>("monitor", kOmitEmpty),
                field<&T::max_failure_ratio>("max_failure_ratio", kOmitEmpty), field<&T::order>("order", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::DeviceRequest, "DeviceRequest", field<&T::capabilities>("capabilities", kOmitEmpty), field<&T::driver>("driver", kOmitEmpty),
                field<&T::count>("count", kOmitEmpty), field<&T::device_ids>("device_ids", kOmitEmpty), field<&T::options>("options", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::DiscreteResource, "DiscreteGenericResource", field<&T::kind>("kind"), field<&T::value>("value"),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::GenericResource, "GenericResource", field<&T::discrete_resource_spec>("discrete_resource_spec", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Resource, "Resource", field<&T::cpus>("cpus", kOmitEmpty), field<&T::memory>("memory", kOmitEmpty),
                field<&T::pids>("pids", kOmitEmpty), field<&T::devices>("devices", kOmitEmpty), field<&T::generic_resources>("generic_resources", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Resources, "Resources", field<&T::limits>("limits", kOmitEmpty), field<&T::reservations>("reservations", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::RestartPolicy, "RestartPolicy", field<&T::condition>("condition", kOmitEmpty), field<&T::delay>("delay", kOmitEmpty),
                field<&T::max_attempts>("max_attempts", kOmitEmpty), field<&T::window>("window", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::PlacementPreference, "PlacementPreferences", field<&T::spread>("spread", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Placement, "Placement", field<&T::constraints>("constraints", kOmitEmpty), field<&T::preferences>("preferences", kOmitEmpty),
                field<&T::max_replicas_per_node>("max_replicas_per_node", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::DeployConfig, "DeployConfig", field<&T::mode>("mode", kOmitEmpty), field<&T::replicas>("replicas", kOmitEmpty),
                field<&T::labels>("labels", kOmitEmpty), field<&T::update_config>("update_config", kOmitEmpty),
                field<&T::rollback_config>("rollback_config", kOmitEmpty), field<&T::resources>("resources"),
                field<&T::restart_policy>("restart_policy", kOmitEmpty), field<&T::placement>("placement"),
                field<&T::endpoint_mode>("endpoint_mode", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::DeviceMapping, "DeviceMapping", field<&T::source>("source", kOmitEmpty), field<&T::target>("target", kOmitEmpty),
                field<&T::permissions>("permissions", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::HealthCheck, "HealthCheckConfig", field<&T::test>("test", kOmitEmpty), field<&T::timeout>("timeout", kOmitEmpty),
                field<&T::interval>("interval", kOmitEmpty), field<&T::retries>("retries", kOmitEmpty), field<&T::start_period>("start_period", kOmitEmpty),
                field<&T::start_interval>("start_interval", kOmitEmpty), field<&T::disable>("disable", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Logging, "LoggingConfig", field<&T::driver>("driver", kOmitEmpty), field<&T::options>("options", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ServiceNetwork, "ServiceNetworkConfig", field<&T::priority>("priority", kOmitEmpty),
                field<&T::gw_priority>("gw_priority", kOmitEmpty), field<&T::aliases>("aliases", kOmitEmpty),
                field<&T::ipv4_address>("ipv4_address", kOmitEmpty), field<&T::ipv6_address>("ipv6_address", kOmitEmpty),
                field<&T::link_local_ips>("link_local_ips", kOmitEmpty), field<&T::mac_address>("mac_address", kOmitEmpty),
                field<&T::driver_opts>("driver_opts", kOmitEmpty), field<&T::interface_name>("interface_name", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ServicePort, "ServicePortConfig", field<&T::name>("name", kOmitEmpty), field<&T::mode>("mode", kOmitEmpty),
                field<&T::host_ip>("host_ip", kOmitEmpty), field<&T::target>("target", kOmitEmpty), field<&T::published>("published", kOmitEmpty),
                field<&T::protocol>("protocol", kOmitEmpty), field<&T::app_protocol>("app_protocol", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::BindOptions, "ServiceVolumeBind", field<&T::selinux>("selinux", kOmitEmpty), field<&T::propagation>("propagation", kOmitEmpty),
                field<&T::create_host_path>("create_host_path", kOmitEmpty), field<&T::recursive>("recursive", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::VolumeOptions, "ServiceVolumeVolume", field<&T::nocopy>("nocopy", kOmitEmpty), field<&T::subpath>("subpath", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::TmpfsOptions, "ServiceVolumeTmpfs", field<&T::size>("size", kOmitEmpty), field<&T::mode>("mode", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ImageOptions, "ServiceVolumeImage", field<&T::subpath>("subpath", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::ServiceVolume, "ServiceVolumeConfig", field<&T::type>("type", kOmitEmpty), field<&T::source>("source", kOmitEmpty),
                field<&T::target>("target", kOmitEmpty), field<&T::read_only>("read_only", kOmitEmpty), field<&T::consistency>("consistency", kOmitEmpty),
                field<&T::bind>("bind", kOmitEmpty), field<&T::volume>("volume", kOmitEmpty), field<&T::tmpfs>("tmpfs", kOmitEmpty),
                field<&T::image>("image", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(
    proa::compose::Service, "ServiceConfig", field<&T::profiles>("profiles", kOmitEmpty), field<&T::annotations>("annotations", kOmitEmpty),
    field<&T::attach>("attach", kOmitEmpty), field<&T::build>("build", kOmitEmpty), field<&T::develop>("develop", kOmitEmpty),
    field<&T::blkio_config>("blkio_config", kOmitEmpty), field<&T::cap_add>("cap_add", kOmitEmpty), field<&T::cap_drop>("cap_drop", kOmitEmpty),
    field<&T::cgroup_parent>("cgroup_parent", kOmitEmpty), field<&T::cgroup>("cgroup", kOmitEmpty), field<&T::cpu_count>("cpu_count", kOmitEmpty),
    field<&T::cpu_percent>("cpu_percent", kOmitEmpty), field<&T::cpu_period>("cpu_period", kOmitEmpty), field<&T::cpu_quota>("cpu_quota", kOmitEmpty),
    field<&T::cpu_rt_period>("cpu_rt_period", kOmitEmpty), field<&T::cpu_rt_runtime>("cpu_rt_runtime", kOmitEmpty), field<&T::cpus>("cpus", kOmitEmpty),
    field<&T::cpuset>("cpuset", kOmitEmpty), field<&T::cpu_shares>("cpu_shares", kOmitEmpty), field<&T::command>("command"),
    field<&T::configs>("configs", kOmitEmpty), field<&T::container_name>("container_name", kOmitEmpty),
    field<&T::credential_spec>("credential_spec", kOmitEmpty), field<&T::depends_on>("depends_on", kOmitEmpty), field<&T::deploy>("deploy", kOmitEmpty),
    field<&T::device_cgroup_rules>("device_cgroup_rules", kOmitEmpty), field<&T::devices>("devices", kOmitEmpty), field<&T::dns>("dns", kOmitEmpty),
    field<&T::dns_opt>("dns_opt", kOmitEmpty), field<&T::dns_search>("dns_search", kOmitEmpty), field<&T::domainname>("domainname", kOmitEmpty),
    field<&T::entrypoint>("entrypoint"), field<&T::environment>("environment", kOmitEmpty), field<&T::env_file>("env_file", kOmitEmpty),
    field<&T::expose>("expose", kOmitEmpty), field<&T::external_links>("external_links", kOmitEmpty), field<&T::extra_hosts>("extra_hosts", kOmitEmpty),
    field<&T::group_add>("group_add", kOmitEmpty), field<&T::gpus>("gpus", kOmitEmpty), field<&T::hostname>("hostname", kOmitEmpty),
    field<&T::healthcheck>("healthcheck", kOmitEmpty), field<&T::image>("image", kOmitEmpty), field<&T::init>("init", kOmitEmpty),
    field<&T::ipc>("ipc", kOmitEmpty), field<&T::isolation>("isolation", kOmitEmpty), field<&T::labels>("labels", kOmitEmpty),
    field<&T::label_file>("label_file", kOmitEmpty), field<&T::links>("links", kOmitEmpty), field<&T::logging>("logging", kOmitEmpty),
    field<&T::mem_limit>("mem_limit", kOmitEmpty), field<&T::mem_reservation>("mem_reservation", kOmitEmpty),
    field<&T::memswap_limit>("memswap_limit", kOmitEmpty), field<&T::mem_swappiness>("mem_swappiness", kOmitEmpty),
    field<&T::mac_address>("mac_address", kOmitEmpty), field<&T::network_mode>("network_mode", kOmitEmpty), field<&T::networks>("networks", kOmitEmpty),
    field<&T::oom_kill_disable>("oom_kill_disable", kOmitEmpty), field<&T::oom_score_adj>("oom_score_adj", kOmitEmpty), field<&T::pid>("pid", kOmitEmpty),
    field<&T::pids_limit>("pids_limit", kOmitEmpty), field<&T::platform>("platform", kOmitEmpty), field<&T::ports>("ports", kOmitEmpty),
    field<&T::privileged>("privileged", kOmitEmpty), field<&T::pull_policy>("pull_policy", kOmitEmpty), field<&T::read_only>("read_only", kOmitEmpty),
    field<&T::restart>("restart", kOmitEmpty), field<&T::runtime>("runtime", kOmitEmpty), field<&T::scale>("scale", kOmitEmpty),
    field<&T::secrets>("secrets", kOmitEmpty), field<&T::security_opt>("security_opt", kOmitEmpty), field<&T::shm_size>("shm_size", kOmitEmpty),
    field<&T::stdin_open>("stdin_open", kOmitEmpty), field<&T::stop_grace_period>("stop_grace_period", kOmitEmpty),
    field<&T::stop_signal>("stop_signal", kOmitEmpty), field<&T::storage_opt>("storage_opt", kOmitEmpty), field<&T::sysctls>("sysctls", kOmitEmpty),
    field<&T::tmpfs>("tmpfs", kOmitEmpty), field<&T::tty>("tty", kOmitEmpty), field<&T::ulimits>("ulimits", kOmitEmpty), field<&T::user>("user", kOmitEmpty),
    field<&T::userns_mode>("userns_mode", kOmitEmpty), field<&T::uts>("uts", kOmitEmpty), field<&T::use_api_socket>("use_api_socket", kOmitEmpty),
    field<&T::volumes>("volumes", kOmitEmpty), field<&T::volumes_from>("volumes_from", kOmitEmpty), field<&T::working_dir>("working_dir", kOmitEmpty),
    field<&T::post_start>("post_start", kOmitEmpty), field<&T::pre_stop>("pre_stop", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::IpamPool, "IPAMPool", field<&T::subnet>("subnet", kOmitEmpty), field<&T::gateway>("gateway", kOmitEmpty),
                field<&T::ip_range>("ip_range", kOmitEmpty), field<&T::aux_addresses>("aux_addresses", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Ipam, "IPAMConfig", field<&T::driver>("driver", kOmitEmpty), field<&T::config>("config", kOmitEmpty),
                field<&T::options>("options", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Network, "NetworkConfig", field<&T::name>("name", kOmitEmpty), field<&T::driver>("driver", kOmitEmpty),
                field<&T::driver_opts>("driver_opts", kOmitEmpty), field<&T::ipam>("ipam"), field<&T::external>("external", kOmitEmpty),
                field<&T::internal>("internal", kOmitEmpty), field<&T::attachable>("attachable", kOmitEmpty), field<&T::labels>("labels", kOmitEmpty),
                field<&T::enable_ipv4>("enable_ipv4", kOmitEmpty), field<&T::enable_ipv6>("enable_ipv6", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::Volume, "VolumeConfig", field<&T::name>("name", kOmitEmpty), field<&T::driver>("driver", kOmitEmpty),
                field<&T::driver_opts>("driver_opts", kOmitEmpty), field<&T::external>("external", kOmitEmpty), field<&T::labels>("labels", kOmitEmpty),
                field<&T::extensions>("#extensions", kOmitEmpty))

PROA_JSON_TABLE(proa::compose::FileObject, "FileObjectConfig", field<&T::name>("name", kOmitEmpty), field<&T::file>("file", kOmitEmpty),
                field<&T::environment>("environment", kOmitEmpty), field<&T::content>("content", kOmitEmpty), field<&T::external>("external", kOmitEmpty),
                field<&T::labels>("labels", kOmitEmpty), field<&T::driver>("driver", kOmitEmpty), field<&T::driver_opts>("driver_opts", kOmitEmpty),
                field<&T::template_driver>("template_driver", kOmitEmpty), field<&T::extensions>("#extensions", kOmitEmpty))
