#include "engine/create_container.h"

#include <unistd.h>

#include "base/id.h"
#include "container/plan.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/container_mounts.h"
#include "engine/container_network.h"
#include "engine/find_image.h"
#include "engine/foreign_runtime.h"
#include "engine/health_monitor.h"
#include "engine/kernel_limits.h"
#include "engine/legacy_links.h"
#include "engine/log_drivers.h"
#include "engine/names.h"
#include "engine/settings.h"
#include "engine/validate_container.h"
#include "os/file.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::Record;

/// The image's settings where the request has none. Spec: api.md, section 10; moby's config merge.
void merge_config(docker::ContainerConfig& config, const docker::ContainerConfig& image) {
    auto merge_set = [](docker::OptionalSet& into, const docker::OptionalSet& from) {
        if (!from || from->empty()) return;
        if (!into) into.emplace();
        into->insert(from->begin(), from->end());
    };
    if (config.user.empty()) config.user = image.user;
    if (image.exposed_ports && !image.exposed_ports->empty()) {
        if (!config.exposed_ports) config.exposed_ports.emplace();
        config.exposed_ports->merge(*image.exposed_ports);
    }
    merge_set(config.volumes, image.volumes);
    std::vector<std::string> env = image.env.value_or(std::vector<std::string>());
    for (auto& entry : config.env.value_or(std::vector<std::string>())) {
        std::string prefix = entry.substr(0, entry.find('=')) + "=";
        std::erase_if(env, [&](auto& other) { return other.starts_with(prefix); });
    }
    if (!env.empty()) {
        if (!config.env) config.env.emplace();
        config.env->insert(config.env->end(), env.begin(), env.end());
    }
    if (image.labels) {
        if (!config.labels) config.labels.emplace();
        config.labels->insert(image.labels->begin(), image.labels->end());
    }
    bool own_entrypoint = config.entrypoint && !config.entrypoint->empty();
    if (!own_entrypoint) {
        if (!config.cmd || config.cmd->empty()) config.cmd = image.cmd;
        if (!config.entrypoint) config.entrypoint = image.entrypoint;
    }
    // [""] clears the image's entrypoint.
    if (config.entrypoint && config.entrypoint->size() == 1 && config.entrypoint->front().empty()) config.entrypoint.reset();
    if (config.working_dir.empty()) config.working_dir = image.working_dir;
    if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
    if (!config.stop_timeout) config.stop_timeout = image.stop_timeout;
    if (config.shell.empty()) config.shell = image.shell;
    config.on_build = image.on_build;
    if (!config.healthcheck) config.healthcheck = image.healthcheck;
    else if (image.healthcheck) {
        auto& own = *config.healthcheck;
        if (own.test.empty()) own.test = image.healthcheck->test;
        if (own.interval == 0) own.interval = image.healthcheck->interval;
        if (own.timeout == 0) own.timeout = image.healthcheck->timeout;
        if (own.start_period == 0) own.start_period = image.healthcheck->start_period;
        if (own.start_interval == 0) own.start_interval = image.healthcheck->start_interval;
        if (own.retries == 0) own.retries = image.healthcheck->retries;
    }
}

void fill_host_defaults(docker::HostConfig& host, const docker::ContainerConfig& config, const Settings& settings) {
    if (host.network_mode.empty() || host.network_mode == "default") host.network_mode = "bridge";
    if (config.network_disabled) host.network_mode = "none";
    if (host.log_config.type.empty()) {
        host.log_config.type = settings.log_driver;
        auto options = host.log_config.config.value_or(docker::StringMap());
        options.insert(settings.log_opts.begin(), settings.log_opts.end());
        host.log_config.config = std::move(options);
    } else if (!host.log_config.config) {
        host.log_config.config.emplace();
    }
    if (host.ipc_mode.empty()) host.ipc_mode = settings.default_ipc_mode;
    if (host.cgroupns_mode.empty()) host.cgroupns_mode = settings.default_cgroupns_mode;
    if (host.shm_size == 0) host.shm_size = settings.default_shm_size;
    if (host.runtime.empty()) host.runtime = settings.default_runtime;
    if (host.restart_policy.name.empty()) host.restart_policy.name = "no";
    if (host.resources.pids_limit && *host.resources.pids_limit == 0) host.resources.pids_limit.reset();
    if (host.privileged) {
        host.masked_paths.reset();
        host.readonly_paths.reset();
    } else {
        if (!host.masked_paths) host.masked_paths = container::default_masked_paths();
        if (!host.readonly_paths) host.readonly_paths = container::default_readonly_paths();
    }
}

Result<std::string> settle_name(const Parts& parts, const std::string& asked) {
    std::string name(trim_prefix(asked, "/"));
    if (!name.empty()) {
        if (!is_valid_name(name))
            return fail(ErrorKind::InvalidArgument, concat("Invalid container name (", asked, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
        return name;
    }
    for (int attempt = 0;; attempt++) {
        name = random_name(attempt);
        if (parts.containers.is_free(name)) return name;
    }
}

/// A container that shares another's network has no name and no ports of its own.
Result<void> check_shared_network(const docker::ContainerConfig& config, const docker::HostConfig& host) {
    if (!host.network_mode.starts_with("container:")) return {};
    auto conflict = [](std::string_view what) {
        return fail(ErrorKind::InvalidArgument, concat("conflicting options: ", what, " and the container type network mode"));
    };
    if (!config.hostname.empty()) return fail(ErrorKind::InvalidArgument, "conflicting options: hostname and the network mode");
    if (host.dns && !host.dns->empty()) return conflict("dns");
    if (host.extra_hosts && !host.extra_hosts->empty()) return conflict("custom host-to-IP mapping");
    if (!config.mac_address.empty()) return conflict("mac-address");
    if ((host.port_bindings && !host.port_bindings->empty()) || host.publish_all_ports) return conflict("port publishing");
    if (config.exposed_ports && !config.exposed_ports->empty()) return conflict("port exposing");
    return {};
}

/// "container:NAME" is stored with the id, as in Docker.
Result<void> settle_joined(const Parts& parts, std::string& mode) {
    if (!mode.starts_with("container:")) return {};
    auto other = TRY(parts.containers.find(mode.substr(10)));
    mode = "container:" + other->id();
    return {};
}

Result<void> settle_process(Record& record) {
    std::vector<std::string> words = record.config.entrypoint.value_or(std::vector<std::string>());
    auto command = record.config.cmd.value_or(std::vector<std::string>());
    words.insert(words.end(), command.begin(), command.end());
    if (words.empty()) return fail(ErrorKind::InvalidArgument, "no command specified");
    record.path = words[0];
    record.args.assign(words.begin() + 1, words.end());
    return {};
}

/// The host's name on the host's network, the other container's on a shared one, else the short id.
Result<std::string> default_hostname(const Parts& parts, const Record& record) {
    auto& mode = record.host_config.network_mode;
    if (mode == "host" || record.host_config.uts_mode == "host") {
        char name[256] = {};
        ::gethostname(name, sizeof name - 1);
        return std::string(name);
    }
    if (!mode.starts_with("container:")) return std::string(short_id(record.id));
    auto other = TRY(parts.containers.find(mode.substr(10)));
    return other->read([](const Record& record) { return record.config.hostname; });
}

std::vector<std::string> collect_warnings(const container::Record& record, const FoundImage& image, std::vector<std::string> warnings) {
    auto& host = record.host_config;
    if (record.config.healthcheck)
        if (auto warning = warn_of_health_check(*record.config.healthcheck)) warnings.push_back(*warning);
    if (!image.foreign_platform.empty())
        warnings.push_back(concat("The requested image's platform (", image.foreign_platform, ") does not match the detected host platform (",
                                  oci::Platform::host().text(), ") and no specific platform was requested"));
    if (host.network_mode == "host" && (host.publish_all_ports || (host.port_bindings && !host.port_bindings->empty())))
        warnings.push_back("Published ports are discarded when using host network mode");
    if (auto warning = warn_of_log_options(host.log_config)) warnings.push_back(*warning);
    return warnings;
}

}  // namespace

Result<Created> create_container(Parts& parts, docker::CreateRequest request, const CreateOptions& options) {
    auto& config = request.config;
    auto& host = request.host_config;
    std::string name = TRY(settle_name(parts, options.name));
    if (config.image.empty()) return fail(ErrorKind::InvalidArgument, "no command specified");
    FoundImage image = TRY(find_image(parts.images, config.image, options.platform));
    if (!options.for_build) merge_config(config, image.config);
    fill_host_defaults(host, config, *parts.settings());
    auto limit_warnings = TRY(discard_unsupported_limits(host.resources));
    TRY(validate_container(config, host));
    TRY(validate_for_remap(parts.remap, host));
    TRY(check_cgroup_parent(cgroup_driver(*parts.settings()), host.resources.cgroup_parent));
    TRY(check_log_config(host.log_config));
    for (auto mode : {&host.network_mode, &host.pid_mode, &host.ipc_mode}) TRY(settle_joined(parts, *mode));
    TRY(check_shared_network(config, host));
    TRY(check_runtime(*parts.settings(), host.runtime));

    Record record;
    record.id = options.id.empty() ? random_id() : options.id;
    record.name = name;
    record.created = now();
    record.image_id = image.id;
    record.manifest_digest = image.manifest_digest;
    record.platform = image.os.empty() ? "linux" : image.os;
    record.config = config;
    if (!record.config.labels) record.config.labels.emplace();
    record.host_config = host;
    TRY(settle_process(record));
    auto mounts = TRY(plan_mounts(parts, config, host));
    if (record.config.hostname.empty()) record.config.hostname = TRY(default_hostname(parts, record));
    TRY(settle_networks(parts, record, request.networking_config));
    TRY(settle_links(parts, record));
    if (host.log_config.type == "json-file") record.log_path = parts.paths.container_file(record.id, record.id + "-json.log");

    auto container = std::make_shared<container::Container>(record);
    TRY(parts.containers.add(container));  // claims the name
    auto kept = [&]() -> Result<void> {
        TRY(os::make_directory(parts.paths.container(record.id), 0710));
        TRY(parts.images.create_writable_layer(record.id, TRY(codec::Digest::parse(record.manifest_digest))));
        TRY(make_mounts(parts, record, std::move(mounts)));
        container->change([&](Record& kept) {
            kept.mounts = record.mounts;
            kept.anonymous_volumes = record.anonymous_volumes;
        });
        auto durability = host.auto_remove ? container::RecordStore::Durable::No : container::RecordStore::Durable::Yes;
        return parts.records.save(record, durability);
    }();
    if (!kept) {
        parts.containers.remove(*container);
        drop_mounts(parts, record, true);
        (void)parts.images.remove_writable_layer(record.id);  // the record's error is the one to report
        (void)os::remove_tree(parts.paths.container(record.id));
        return fail(std::move(kept).error());
    }
    claim_mounts(parts, record);
    publish_container_event(parts.events, *container, "create");
    return Created{record.id, collect_warnings(record, image, std::move(limit_warnings))};
}

}  // namespace proa::engine
