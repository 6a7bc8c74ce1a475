#include "schema/docker/container.h"

PROA_JSON_TABLE(proa::docker::HealthConfig, "HealthConfig",
                field<&T::test>("Test", kOmitEmpty),
                field<&T::interval>("Interval", kOmitEmpty),
                field<&T::timeout>("Timeout", kOmitEmpty),
                field<&T::start_period>("StartPeriod", kOmitEmpty),
                field<&T::start_interval>("StartInterval", kOmitEmpty),
                field<&T::retries>("Retries", kOmitEmpty),
                field<&T::on_failure>("OnFailure", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ContainerConfig, "ContainerConfig",
                field<&T::hostname>("Hostname"),
                field<&T::domainname>("Domainname"),
                field<&T::user>("User"),
                field<&T::attach_stdin>("AttachStdin"),
                field<&T::attach_stdout>("AttachStdout"),
                field<&T::attach_stderr>("AttachStderr"),
                field<&T::exposed_ports>("ExposedPorts", kOmitEmpty),
                field<&T::tty>("Tty"),
                field<&T::open_stdin>("OpenStdin"),
                field<&T::stdin_once>("StdinOnce"),
                field<&T::env>("Env"),
                field<&T::cmd>("Cmd"),
                field<&T::healthcheck>("Healthcheck", kOmitEmpty),
                field<&T::args_escaped>("ArgsEscaped", kOmitEmpty),
                field<&T::image>("Image"),
                field<&T::volumes>("Volumes"),
                field<&T::working_dir>("WorkingDir"),
                field<&T::entrypoint>("Entrypoint"),
                field<&T::network_disabled>("NetworkDisabled", kOmitEmpty),
                field<&T::mac_address>("MacAddress", kOmitEmpty),
                field<&T::on_build>("OnBuild"),
                field<&T::labels>("Labels"),
                field<&T::stop_signal>("StopSignal", kOmitEmpty),
                field<&T::stop_timeout>("StopTimeout", kOmitEmpty),
                field<&T::shell>("Shell", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::PortBinding, "PortBinding",
                field<&T::host_ip>("HostIp"),
                field<&T::host_port>("HostPort"))

PROA_JSON_TABLE(proa::docker::RestartPolicy, "RestartPolicy",
                field<&T::name>("Name"),
                field<&T::maximum_retry_count>("MaximumRetryCount"),
                field<&T::delay_minimum>("DelayMin", kOmitEmpty),
                field<&T::delay_maximum>("DelayMax", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::LogConfig, "LogConfig",
                field<&T::type>("Type"),
                field<&T::config>("Config"))

PROA_JSON_TABLE(proa::docker::WeightDevice, "WeightDevice",
                field<&T::path>("Path"),
                field<&T::weight>("Weight"))

PROA_JSON_TABLE(proa::docker::ThrottleDevice, "ThrottleDevice",
                field<&T::path>("Path"),
                field<&T::rate>("Rate"))

PROA_JSON_TABLE(proa::docker::DeviceMapping, "DeviceMapping",
                field<&T::path_on_host>("PathOnHost"),
                field<&T::path_in_container>("PathInContainer"),
                field<&T::cgroup_permissions>("CgroupPermissions"))

PROA_JSON_TABLE(proa::docker::DeviceRequest, "DeviceRequest",
                field<&T::driver>("Driver"),
                field<&T::count>("Count"),
                field<&T::device_ids>("DeviceIDs"),
                field<&T::capabilities>("Capabilities"),
                field<&T::options>("Options"))

PROA_JSON_TABLE(proa::docker::Ulimit, "Ulimit",
                field<&T::name>("Name"),
                field<&T::hard>("Hard"),
                field<&T::soft>("Soft"))

PROA_JSON_TABLE(proa::docker::BindOptions, "BindOptions",
                field<&T::propagation>("Propagation", kOmitEmpty),
                field<&T::non_recursive>("NonRecursive", kOmitEmpty),
                field<&T::create_mountpoint>("CreateMountpoint", kOmitEmpty),
                field<&T::read_only_non_recursive>("ReadOnlyNonRecursive", kOmitEmpty),
                field<&T::read_only_force_recursive>("ReadOnlyForceRecursive", kOmitEmpty),
                field<&T::id_map>("IDMap", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::VolumeDriverConfig, "VolumeDriverConfig",
                field<&T::name>("Name", kOmitEmpty),
                field<&T::options>("Options", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::VolumeOptions, "VolumeOptions",
                field<&T::no_copy>("NoCopy", kOmitEmpty),
                field<&T::labels>("Labels", kOmitEmpty),
                field<&T::subpath>("Subpath", kOmitEmpty),
                field<&T::driver_config>("DriverConfig", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::TmpfsOptions, "TmpfsOptions",
                field<&T::size_bytes>("SizeBytes", kOmitEmpty),
                field<&T::mode>("Mode", kOmitEmpty),
                field<&T::options>("Options", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ImageOptions, "ImageOptions",
                field<&T::subpath>("Subpath", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::MountRequest, "MountRequest",
                field<&T::type>("Type", kOmitEmpty),
                field<&T::source>("Source", kOmitEmpty),
                field<&T::target>("Target", kOmitEmpty),
                field<&T::read_only>("ReadOnly", kOmitEmpty),
                field<&T::consistency>("Consistency", kOmitEmpty),
                field<&T::bind_options>("BindOptions", kOmitEmpty),
                field<&T::volume_options>("VolumeOptions", kOmitEmpty),
                field<&T::image_options>("ImageOptions", kOmitEmpty),
                field<&T::tmpfs_options>("TmpfsOptions", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::Resources, "Resources",
                field<&T::cpu_shares>("CpuShares"),
                field<&T::memory>("Memory"),
                field<&T::nano_cpus>("NanoCpus"),
                field<&T::cgroup_parent>("CgroupParent"),
                field<&T::blkio_weight>("BlkioWeight"),
                field<&T::blkio_weight_device>("BlkioWeightDevice"),
                field<&T::blkio_device_read_bps>("BlkioDeviceReadBps"),
                field<&T::blkio_device_write_bps>("BlkioDeviceWriteBps"),
                field<&T::blkio_device_read_iops>("BlkioDeviceReadIOps"),
                field<&T::blkio_device_write_iops>("BlkioDeviceWriteIOps"),
                field<&T::cpu_period>("CpuPeriod"),
                field<&T::cpu_quota>("CpuQuota"),
                field<&T::cpu_realtime_period>("CpuRealtimePeriod"),
                field<&T::cpu_realtime_runtime>("CpuRealtimeRuntime"),
                field<&T::cpuset_cpus>("CpusetCpus"),
                field<&T::cpuset_mems>("CpusetMems"),
                field<&T::devices>("Devices"),
                field<&T::device_cgroup_rules>("DeviceCgroupRules"),
                field<&T::device_requests>("DeviceRequests"),
                field<&T::kernel_memory_tcp>("KernelMemoryTCP", kOmitEmpty),
                field<&T::memory_reservation>("MemoryReservation"),
                field<&T::memory_swap>("MemorySwap"),
                field<&T::memory_swappiness>("MemorySwappiness"),
                field<&T::oom_kill_disable>("OomKillDisable"),
                field<&T::pids_limit>("PidsLimit"),
                field<&T::ulimits>("Ulimits"),
                field<&T::cpu_count>("CpuCount"),
                field<&T::cpu_percent>("CpuPercent"),
                field<&T::io_maximum_iops>("IOMaximumIOps"),
                field<&T::io_maximum_bandwidth>("IOMaximumBandwidth"))

PROA_JSON_TABLE(proa::docker::HostConfig, "HostConfig",
                field<&T::binds>("Binds"),
                field<&T::container_id_file>("ContainerIDFile"),
                field<&T::log_config>("LogConfig"),
                field<&T::network_mode>("NetworkMode"),
                field<&T::port_bindings>("PortBindings"),
                field<&T::restart_policy>("RestartPolicy"),
                field<&T::auto_remove>("AutoRemove"),
                field<&T::volume_driver>("VolumeDriver"),
                field<&T::volumes_from>("VolumesFrom"),
                field<&T::console_size>("ConsoleSize"),
                field<&T::annotations>("Annotations", kOmitEmpty),
                field<&T::cap_add>("CapAdd"),
                field<&T::cap_drop>("CapDrop"),
                field<&T::cgroupns_mode>("CgroupnsMode"),
                field<&T::dns>("Dns"),
                field<&T::dns_options>("DnsOptions"),
                field<&T::dns_search>("DnsSearch"),
                field<&T::extra_hosts>("ExtraHosts"),
                field<&T::group_add>("GroupAdd"),
                field<&T::ipc_mode>("IpcMode"),
                field<&T::cgroup>("Cgroup"),
                field<&T::links>("Links"),
                field<&T::oom_score_adj>("OomScoreAdj"),
                field<&T::pid_mode>("PidMode"),
                field<&T::privileged>("Privileged"),
                field<&T::publish_all_ports>("PublishAllPorts"),
                field<&T::readonly_rootfs>("ReadonlyRootfs"),
                field<&T::security_opt>("SecurityOpt"),
                field<&T::storage_opt>("StorageOpt", kOmitEmpty),
                field<&T::tmpfs>("Tmpfs", kOmitEmpty),
                field<&T::uts_mode>("UTSMode"),
                field<&T::userns_mode>("UsernsMode"),
                field<&T::shm_size>("ShmSize"),
                field<&T::sysctls>("Sysctls", kOmitEmpty),
                field<&T::runtime>("Runtime"),
                field<&T::isolation>("Isolation"),
                embedded<&T::resources>(),
                field<&T::mounts>("Mounts", kOmitEmpty),
                field<&T::masked_paths>("MaskedPaths"),
                field<&T::readonly_paths>("ReadonlyPaths"),
                field<&T::init>("Init", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::EndpointIpamConfig, "EndpointIpamConfig",
                field<&T::ipv4_address>("IPv4Address", kOmitEmpty),
                field<&T::ipv6_address>("IPv6Address", kOmitEmpty),
                field<&T::link_local_ips>("LinkLocalIPs", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::EndpointSettings, "EndpointSettings",
                field<&T::ipam_config>("IPAMConfig"),
                field<&T::links>("Links"),
                field<&T::aliases>("Aliases"),
                field<&T::mac_address>("MacAddress"),
                field<&T::driver_opts>("DriverOpts"),
                field<&T::gw_priority>("GwPriority"),
                field<&T::network_id>("NetworkID"),
                field<&T::endpoint_id>("EndpointID"),
                field<&T::gateway>("Gateway"),
                field<&T::ip_address>("IPAddress"),
                field<&T::ip_prefix_len>("IPPrefixLen"),
                field<&T::ipv6_gateway>("IPv6Gateway"),
                field<&T::global_ipv6_address>("GlobalIPv6Address"),
                field<&T::global_ipv6_prefix_len>("GlobalIPv6PrefixLen"),
                field<&T::dns_names>("DNSNames"))

PROA_JSON_TABLE(proa::docker::NetworkingConfig, "NetworkingConfig",
                field<&T::endpoints_config>("EndpointsConfig"))

PROA_JSON_TABLE(proa::docker::CreateRequest, "CreateRequest",
                embedded<&T::config>(),
                field<&T::host_config>("HostConfig"),
                field<&T::networking_config>("NetworkingConfig"))

PROA_JSON_TABLE(proa::docker::HealthcheckResult, "HealthcheckResult",
                field<&T::start>("Start"),
                field<&T::end>("End"),
                field<&T::exit_code>("ExitCode"),
                field<&T::output>("Output"))

PROA_JSON_TABLE(proa::docker::Health, "Health",
                field<&T::status>("Status"),
                field<&T::failing_streak>("FailingStreak"),
                field<&T::log>("Log"))

PROA_JSON_TABLE(proa::docker::ContainerState, "ContainerState",
                field<&T::status>("Status"),
                field<&T::running>("Running"),
                field<&T::paused>("Paused"),
                field<&T::restarting>("Restarting"),
                field<&T::oom_killed>("OOMKilled"),
                field<&T::dead>("Dead"),
                field<&T::pid>("Pid"),
                field<&T::exit_code>("ExitCode"),
                field<&T::error>("Error"),
                field<&T::started_at>("StartedAt"),
                field<&T::finished_at>("FinishedAt"),
                field<&T::health>("Health", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::MountPoint, "MountPoint",
                field<&T::type>("Type", kOmitEmpty),
                field<&T::name>("Name", kOmitEmpty),
                field<&T::source>("Source"),
                field<&T::destination>("Destination"),
                field<&T::driver>("Driver", kOmitEmpty),
                field<&T::mode>("Mode"),
                field<&T::rw>("RW"),
                field<&T::propagation>("Propagation"))

PROA_JSON_TABLE(proa::docker::GraphDriver, "GraphDriver",
                field<&T::data>("Data"),
                field<&T::name>("Name"))

PROA_JSON_TABLE(proa::docker::NetworkSettings, "NetworkSettings",
                field<&T::bridge>("Bridge"),
                field<&T::sandbox_id>("SandboxID"),
                field<&T::sandbox_key>("SandboxKey"),
                field<&T::ports>("Ports"),
                field<&T::hairpin_mode>("HairpinMode"),
                field<&T::link_local_ipv6_address>("LinkLocalIPv6Address"),
                field<&T::link_local_ipv6_prefix_len>("LinkLocalIPv6PrefixLen"),
                field<&T::secondary_ip_addresses>("SecondaryIPAddresses"),
                field<&T::secondary_ipv6_addresses>("SecondaryIPv6Addresses"),
                field<&T::endpoint_id>("EndpointID"),
                field<&T::gateway>("Gateway"),
                field<&T::global_ipv6_address>("GlobalIPv6Address"),
                field<&T::global_ipv6_prefix_len>("GlobalIPv6PrefixLen"),
                field<&T::ip_address>("IPAddress"),
                field<&T::ip_prefix_len>("IPPrefixLen"),
                field<&T::ipv6_gateway>("IPv6Gateway"),
                field<&T::mac_address>("MacAddress"),
                field<&T::networks>("Networks"))

PROA_JSON_TABLE(proa::docker::Descriptor, "Descriptor",
                field<&T::media_type>("mediaType"),
                field<&T::digest>("digest"),
                field<&T::size>("size"),
                field<&T::platform>("platform", kOmitEmpty),
                field<&T::annotations>("annotations", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ContainerInspect, "ContainerInspect",
                field<&T::id>("Id"),
                field<&T::created>("Created"),
                field<&T::path>("Path"),
                field<&T::args>("Args"),
                field<&T::state>("State"),
                field<&T::image>("Image"),
                field<&T::resolv_conf_path>("ResolvConfPath"),
                field<&T::hostname_path>("HostnamePath"),
                field<&T::hosts_path>("HostsPath"),
                field<&T::log_path>("LogPath"),
                field<&T::name>("Name"),
                field<&T::restart_count>("RestartCount"),
                field<&T::driver>("Driver"),
                field<&T::platform>("Platform"),
                field<&T::mount_label>("MountLabel"),
                field<&T::process_label>("ProcessLabel"),
                field<&T::app_armor_profile>("AppArmorProfile"),
                field<&T::exec_ids>("ExecIDs"),
                field<&T::host_config>("HostConfig"),
                field<&T::graph_driver>("GraphDriver"),
                field<&T::size_rw>("SizeRw", kOmitEmpty),
                field<&T::size_root_fs>("SizeRootFs", kOmitEmpty),
                field<&T::mounts>("Mounts"),
                field<&T::config>("Config"),
                field<&T::network_settings>("NetworkSettings"),
                field<&T::image_manifest_descriptor>("ImageManifestDescriptor", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::PortSummary, "PortSummary",
                field<&T::ip>("IP", kOmitEmpty),
                field<&T::private_port>("PrivatePort"),
                field<&T::public_port>("PublicPort", kOmitEmpty),
                field<&T::type>("Type"))

PROA_JSON_TABLE(proa::docker::SummaryHostConfig, "SummaryHostConfig",
                field<&T::network_mode>("NetworkMode", kOmitEmpty),
                field<&T::annotations>("Annotations", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::SummaryNetworkSettings, "SummaryNetworkSettings",
                field<&T::networks>("Networks"))

PROA_JSON_TABLE(proa::docker::ContainerSummary, "ContainerSummary",
                field<&T::id>("Id"),
                field<&T::names>("Names"),
                field<&T::image>("Image"),
                field<&T::image_id>("ImageID"),
                field<&T::command>("Command"),
                field<&T::created>("Created"),
                field<&T::ports>("Ports"),
                field<&T::size_rw>("SizeRw", kOmitEmpty),
                field<&T::size_root_fs>("SizeRootFs", kOmitEmpty),
                field<&T::labels>("Labels"),
                field<&T::state>("State"),
                field<&T::status>("Status"),
                field<&T::host_config>("HostConfig"),
                field<&T::network_settings>("NetworkSettings"),
                field<&T::mounts>("Mounts"),
                field<&T::image_manifest_descriptor>("ImageManifestDescriptor", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ExecConfig, "ExecConfig",
                field<&T::user>("User"),
                field<&T::privileged>("Privileged"),
                field<&T::tty>("Tty"),
                field<&T::console_size>("ConsoleSize"),
                field<&T::attach_stdin>("AttachStdin"),
                field<&T::attach_stderr>("AttachStderr"),
                field<&T::attach_stdout>("AttachStdout"),
                field<&T::detach>("Detach"),
                field<&T::detach_keys>("DetachKeys"),
                field<&T::env>("Env"),
                field<&T::working_dir>("WorkingDir"),
                field<&T::cmd>("Cmd"))

PROA_JSON_TABLE(proa::docker::ExecStart, "ExecStart",
                field<&T::detach>("Detach"),
                field<&T::tty>("Tty"),
                field<&T::console_size>("ConsoleSize"))

PROA_JSON_TABLE(proa::docker::ExecProcessConfig, "ExecProcessConfig",
                field<&T::tty>("tty"),
                field<&T::entrypoint>("entrypoint"),
                field<&T::arguments>("arguments"),
                field<&T::privileged>("privileged"),
                field<&T::user>("user", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ExecInspect, "ExecInspect",
                field<&T::id>("ID"),
                field<&T::running>("Running"),
                field<&T::exit_code>("ExitCode"),
                field<&T::process_config>("ProcessConfig"),
                field<&T::open_stdin>("OpenStdin"),
                field<&T::open_stderr>("OpenStderr"),
                field<&T::open_stdout>("OpenStdout"),
                field<&T::can_remove>("CanRemove"),
                field<&T::container_id>("ContainerID"),
                field<&T::detach_keys>("DetachKeys"),
                field<&T::pid>("Pid"))
