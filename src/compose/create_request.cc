#include "compose/create_request.h"

#include <algorithm>

#include "base/text.h"
#include "compose/labels.h"
#include "compose/load.h"
#include "compose/mounts.h"

namespace proa::compose {

namespace {
docker::Strings strings(const std::vector<std::string>& list) { return list.empty() ? docker::Strings() : docker::Strings(list); }

int64_t nano_cpus(Fraction cpus) { return static_cast<int64_t>(cpus.value * 1e9F); }

/// {"service:x"} becomes container:<id> of a container of x.
Result<std::string> shared_namespace(const std::string& mode, const FindContainers& find, std::string_view what) {
    if (!mode.starts_with("service:")) return mode;
    auto containers = find(mode.substr(8));
    if (containers.empty()) return fail(ErrorKind::NotFound, concat("service ", quote(mode.substr(8)), " has no container to share its ", what, " with"));
    return "container:" + containers.front()->id;
}

docker::RestartPolicy restart_policy(const Service& service) {
    docker::RestartPolicy policy;
    if (!service.restart.empty()) {
        auto parts = cut(service.restart, ":");
        policy.name = parts ? std::string(parts->first) : service.restart;
        if (parts) policy.maximum_retry_count = parse_int(parts->second).value_or(0);
    }
    if (service.deploy && service.deploy->restart_policy) {
        auto& wanted = *service.deploy->restart_policy;
        policy.maximum_retry_count = wanted.max_attempts.value_or(0);
        if (wanted.condition == "none" || wanted.condition == "no") policy.name = "no";
        else if (wanted.condition == "on-failure" || wanted.condition == "unless-stopped") policy.name = wanted.condition;
        else policy.name = "always";
        if (policy.name != "on-failure") policy.maximum_retry_count = 0;
    }
    return policy;
}

docker::DeviceRequest device_request(const DeviceRequest& wanted) {
    docker::DeviceRequest request;
    request.driver = wanted.driver;
    request.count = wanted.count;
    request.device_ids = strings(wanted.device_ids);
    auto capabilities = wanted.capabilities;
    if (std::find(capabilities.begin(), capabilities.end(), "gpu") == capabilities.end() && capabilities.empty()) capabilities.push_back("gpu");
    request.capabilities = std::vector<std::vector<std::string>>{capabilities};
    if (!wanted.options.empty()) request.options = wanted.options;
    return request;
}

std::optional<std::vector<docker::ThrottleDevice>> throttles(const std::vector<ThrottleDevice>& wanted) {
    if (wanted.empty()) return std::nullopt;
    std::vector<docker::ThrottleDevice> list;
    for (auto& each : wanted) list.push_back({each.path, static_cast<uint64_t>(each.rate.value)});
    return list;
}

void set_deploy_limits(const Resources& wanted, docker::Resources& resources) {
    if (auto& limits = wanted.limits) {
        if (limits->cpus.value > 0) resources.nano_cpus = nano_cpus(limits->cpus);
        if (limits->memory.value > 0) resources.memory = limits->memory.value;
        if (limits->pids > 0) resources.pids_limit = limits->pids;
    }
    if (auto& reservations = wanted.reservations) {
        if (reservations->memory.value > 0) resources.memory_reservation = reservations->memory.value;
        for (auto& device : reservations->devices) {
            if (!resources.device_requests) resources.device_requests.emplace();
            resources.device_requests->push_back(device_request(device));
        }
    }
}

docker::Resources resources_of(const Service& service) {
    docker::Resources resources;
    resources.cpu_shares = service.cpu_shares;
    resources.memory = service.mem_limit.value;
    resources.nano_cpus = nano_cpus(service.cpus);
    resources.cgroup_parent = service.cgroup_parent;
    resources.cpu_period = service.cpu_period;
    resources.cpu_quota = service.cpu_quota;
    resources.cpu_realtime_period = service.cpu_rt_period;
    resources.cpu_realtime_runtime = service.cpu_rt_runtime;
    resources.cpuset_cpus = service.cpuset;
    resources.memory_reservation = service.mem_reservation.value;
    resources.memory_swap = service.memswap_limit.value;
    if (service.mem_swappiness.value > 0) resources.memory_swappiness = service.mem_swappiness.value;
    if (service.oom_kill_disable) resources.oom_kill_disable = true;
    if (service.pids_limit != 0) resources.pids_limit = service.pids_limit;
    resources.device_cgroup_rules = strings(service.device_cgroup_rules);
    if (auto& blkio = service.blkio_config) {
        resources.blkio_weight = static_cast<uint16_t>(blkio->weight);
        if (!blkio->weight_device.empty()) resources.blkio_weight_device.emplace();
        for (auto& device : blkio->weight_device) resources.blkio_weight_device->push_back({device.path, static_cast<uint16_t>(device.weight)});
        resources.blkio_device_read_bps = throttles(blkio->device_read_bps);
        resources.blkio_device_write_bps = throttles(blkio->device_write_bps);
        resources.blkio_device_read_iops = throttles(blkio->device_read_iops);
        resources.blkio_device_write_iops = throttles(blkio->device_write_iops);
    }
    for (auto& [name, limit] : service.ulimits) {
        if (!resources.ulimits) resources.ulimits.emplace();
        bool single = limit.single != 0;
        resources.ulimits->push_back({name, single ? limit.single : limit.hard, single ? limit.single : limit.soft});
    }
    std::vector<std::string> cdi_names;
    for (auto& device : service.devices) {
        if (device.source == device.target && !device.source.starts_with('/')) {
            cdi_names.push_back(device.source);
            continue;
        }
        if (!resources.devices) resources.devices.emplace();
        resources.devices->push_back(
            {device.source, device.target.empty() ? device.source : device.target, device.permissions.empty() ? "rwm" : device.permissions});
    }
    for (auto& gpu : service.gpus) {
        if (!resources.device_requests) resources.device_requests.emplace();
        resources.device_requests->push_back(device_request(gpu));
    }
    if (!cdi_names.empty()) {
        if (!resources.device_requests) resources.device_requests.emplace();
        docker::DeviceRequest request;
        request.driver = "cdi";
        request.device_ids = cdi_names;
        resources.device_requests->push_back(std::move(request));
    }
    if (service.deploy) set_deploy_limits(service.deploy->resources, resources);
    return resources;
}

void add_ports(const Service& service, docker::OptionalPortSet& exposed, std::optional<docker::PortMap>& bindings) {
    bindings.emplace();
    auto expose = [&](const std::string& key) {
        if (!exposed) exposed.emplace();
        exposed->insert(key);
    };
    for (auto& item : service.expose) {
        auto parts = cut(item, "/");
        std::string_view ports = parts ? parts->first : item, protocol = parts ? parts->second : "tcp";
        auto range = cut(ports, "-");
        auto first = parse_uint(range ? range->first : ports), last = parse_uint(range ? range->second : ports);
        for (uint64_t port = first.value_or(1); first && last && port <= *last; port++) expose(concat(port, '/', protocol));
    }
    for (auto& port : service.ports) {
        std::string key = concat(port.target, '/', port.protocol.empty() ? "tcp" : port.protocol);
        expose(key);
        bindings->add(key, {port.host_ip, port.published});
    }
}

std::optional<docker::HealthConfig> health_config(const Service& service) {
    if (!service.healthcheck) return std::nullopt;
    auto& check = *service.healthcheck;
    docker::HealthConfig config;
    config.test = check.test;
    if (check.disable) config.test = {"NONE"};
    auto nanoseconds = [](const std::optional<Duration>& duration) { return duration ? duration->nanoseconds : 0; };
    config.interval = nanoseconds(check.interval);
    config.timeout = nanoseconds(check.timeout);
    config.start_period = nanoseconds(check.start_period);
    config.start_interval = nanoseconds(check.start_interval);
    config.retries = check.retries.value_or(0);
    return config;
}

/// "db:service_healthy:false", by name.
std::string depends_on_text(const Service& service) {
    std::string text;
    for (auto& [name, dependency] : service.depends_on) text += concat(text.empty() ? "" : ",", name, ':', dependency.condition, ':', dependency.restart);
    return text;
}

docker::StringMap labels_of(const Project& project, const Service& service, const ContainerTraits& traits) {
    docker::StringMap labels = service.labels;
    auto set = [&](std::string_view key, std::string value) { labels[std::string(key)] = std::move(value); };
    set(kProjectLabel, project.name);
    set(kServiceLabel, service.name);
    set(kVersionLabel, std::string(kComposeVersion));
    set(kNumberLabel, concat(traits.number));
    set(kOneOffLabel, traits.one_off ? "True" : "False");
    set(kConfigHashLabel, config_hash(service));
    set(kDependsOnLabel, depends_on_text(service));
    set(kWorkingDirLabel, project.working_dir);
    set(kConfigFilesLabel, join(project.compose_files, ","));
    set(kFieldHashesLabel, field_hashes(service));
    if (!project.env_files.empty()) set(kEnvironmentFileLabel, join(project.env_files, ","));
    if (!traits.image_id.empty()) set(kImageLabel, traits.image_id);
    if (!traits.slug.empty()) set(kSlugLabel, traits.slug);
    if (!traits.replaces.empty()) set(kReplaceLabel, traits.replaces);
    return labels;
}

std::vector<std::string> environment_of(const Service& service, const Mapping& proxies) {
    NullableMapping all;
    for (auto& [name, value] : proxies) all[name] = value;
    for (auto& [name, value] : service.environment) all[name] = value;
    std::vector<std::string> list;
    for (auto& [name, value] : all)
        if (value) list.push_back(concat(name, '=', *value));
    return list;
}

/// Links of a service to the containers of others, under all the names that docker compose gives them.
docker::Strings links_of(const Project& project, const Service& service, const FindContainers& find) {
    std::vector<std::string> links;
    for (auto& link : service.links) {
        auto parts = cut(link, ":");
        std::string target(parts ? parts->first : link), alias(parts ? parts->second : link);
        for (auto* container : find(target))
            for (auto& name : {alias, concat(target, project.separator, container->number), concat(project.name, project.separator, target, project.separator, container->number)})
                links.push_back(concat(container->name, ':', name));
    }
    for (auto& link : service.external_links) links.push_back(link.find(':') == link.npos ? concat(link, ':', link) : link);
    return strings(links);
}

std::vector<std::string> security_options(const Service& service, docker::HostConfig& host) {
    std::vector<std::string> options;
    for (auto& option : service.security_opt) {
        if (option == "systempaths=unconfined" || option == "systempaths:unconfined") {
            host.masked_paths.emplace();
            host.readonly_paths.emplace();
            continue;
        }
        // docker's older spelling with a colon
        auto parts = option.find('=') == option.npos ? cut(option, ":") : std::nullopt;
        options.push_back(parts ? concat(parts->first, '=', parts->second) : option);
    }
    return options;
}
}  // namespace

std::string container_name(const Project& project, const Service& service, int64_t number) {
    return service.container_name.empty() ? concat(project.name, project.separator, service.name, project.separator, number) : service.container_name;
}

std::vector<std::pair<std::string, docker::EndpointSettings>> endpoints(const Project& project, const Service& service, const ContainerTraits& traits,
                                                                        const FindContainers& find) {
    std::vector<std::pair<int64_t, std::string>> order;
    for (auto& [key, settings] : service.networks) order.emplace_back(settings ? -settings->priority : 0, key);
    std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
    std::vector<std::pair<std::string, docker::EndpointSettings>> list;
    for (auto& [priority, key] : order) {
        auto network = project.networks.find(key);
        if (network == project.networks.end()) continue;
        docker::EndpointSettings endpoint;
        std::vector<std::string> aliases{traits.name};
        if (traits.hidden) aliases.clear();
        else if (traits.service_aliases) aliases.push_back(service.name);
        if (auto& settings = service.networks.at(key)) {
            if (traits.service_aliases && !traits.hidden) aliases.insert(aliases.end(), settings->aliases.begin(), settings->aliases.end());
            endpoint.ipam_config = docker::EndpointIpamConfig{settings->ipv4_address, settings->ipv6_address, settings->link_local_ips};
            endpoint.mac_address = settings->mac_address;
            endpoint.gw_priority = settings->gw_priority;
            if (!settings->driver_opts.empty()) endpoint.driver_opts = settings->driver_opts;
            if (!settings->interface_name.empty()) {
                if (!endpoint.driver_opts) endpoint.driver_opts.emplace();
                (*endpoint.driver_opts)["com.docker.network.endpoint.ifname"] = settings->interface_name;
            }
        }
        if (list.empty() && endpoint.mac_address.empty()) endpoint.mac_address = service.mac_address;
        endpoint.aliases = aliases;
        endpoint.links = links_of(project, service, find);
        list.emplace_back(network->second.name, std::move(endpoint));
    }
    return list;
}

Result<docker::CreateRequest> create_request(const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find,
                                             const Mapping& proxies) {
    if (service.use_api_socket)
        return fail(ErrorKind::Unsupported, concat("services.", service.name, ".use_api_socket is not supported: mount the engine's socket by `volumes` instead"));
    docker::CreateRequest request;
    auto& config = request.config;
    config.hostname = service.hostname;
    config.domainname = service.domainname;
    config.user = service.user;
    config.attach_stdin = traits.attach_input;
    config.attach_stdout = config.attach_stderr = true;
    config.tty = service.tty;
    config.open_stdin = service.stdin_open;
    config.stdin_once = traits.attach_input && service.stdin_open;
    config.env = strings(environment_of(service, proxies));
    config.cmd = service.command;
    config.entrypoint = service.entrypoint;
    config.healthcheck = health_config(service);
    config.image = image_name(project, service);
    config.working_dir = service.working_dir;
    config.labels = labels_of(project, service, traits);
    config.stop_signal = service.stop_signal;
    if (service.stop_grace_period) config.stop_timeout = (service.stop_grace_period->nanoseconds + 999'999'999) / 1'000'000'000;

    auto& host = request.host_config;
    add_ports(service, config.exposed_ports, host.port_bindings);
    if (traits.hidden) host.port_bindings.reset();
    auto attached = endpoints(project, service, traits, find);
    host.network_mode = TRY(shared_namespace(service.network_mode, find, "network"));
    if (service.network_mode.empty()) host.network_mode = attached.empty() ? "none" : attached.front().first;
    host.ipc_mode = TRY(shared_namespace(service.ipc, find, "IPC namespace"));
    host.pid_mode = TRY(shared_namespace(service.pid, find, "PID namespace"));
    if (!attached.empty()) {
        request.networking_config.emplace();
        for (auto& [name, endpoint] : attached) request.networking_config->endpoints_config[name] = endpoint;
    }
    for (auto& item : service.volumes_from) {
        if (item.starts_with("container:")) {
            if (!host.volumes_from) host.volumes_from.emplace();
            host.volumes_from->push_back(item.substr(10));
            continue;
        }
        auto parts = split(item, ':');
        auto containers = find(parts[0]);
        if (containers.empty()) return fail(ErrorKind::NotFound, concat("cannot share volume with service ", parts[0], ": container missing"));
        if (!host.volumes_from) host.volumes_from.emplace();
        host.volumes_from->push_back(parts.size() > 1 ? concat(containers.front()->id, ':', parts[1]) : containers.front()->id);
    }
    host.auto_remove = traits.auto_remove;
    host.annotations = service.annotations;
    host.cap_add = strings(service.cap_add);
    host.cap_drop = strings(service.cap_drop);
    host.cgroupns_mode = service.cgroup;
    host.dns = strings(service.dns);
    host.dns_options = strings(service.dns_opt);
    host.dns_search = strings(service.dns_search);
    for (auto& item : service.extra_hosts) {
        if (!host.extra_hosts) host.extra_hosts.emplace();
        auto parts = cut(item, "=");
        host.extra_hosts->push_back(parts ? concat(parts->first, ':', parts->second) : item);
    }
    host.group_add = strings(service.group_add);
    host.init = service.init;
    host.isolation = service.isolation;
    if (service.logging) {
        host.log_config.type = service.logging->driver;
        if (!service.logging->options.empty()) host.log_config.config = service.logging->options;
    }
    host.oom_score_adj = service.oom_score_adj;
    host.privileged = service.privileged;
    host.readonly_rootfs = service.read_only;
    host.restart_policy = restart_policy(service);
    host.runtime = service.runtime;
    host.security_opt = strings(security_options(service, host));
    host.shm_size = service.shm_size.value;
    host.storage_opt = service.storage_opt;
    host.sysctls = service.sysctls;
    for (auto& item : service.tmpfs) {
        auto parts = cut(item, ":");
        host.tmpfs[std::string(parts ? parts->first : item)] = parts ? parts->second : "";
    }
    host.userns_mode = service.userns_mode;
    host.uts_mode = service.uts;
    host.resources = resources_of(service);
    auto mounts = TRY(container_mounts(project, service, traits));
    host.binds = strings(mounts.binds);
    host.mounts = std::move(mounts.mounts);
    return request;
}

}  // namespace proa::compose
