#include "engine/inspect_container.h"

#include "engine/find_image.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::Record;

/// The first-level fields that mirror the default bridge's endpoint (API below 1.52).
void mirror_bridge_endpoint(docker::NetworkSettings& settings) {
    auto bridge = settings.networks.find("bridge");
    if (bridge == settings.networks.end()) return;
    auto& endpoint = bridge->second;
    settings.endpoint_id = endpoint.endpoint_id;
    settings.gateway = endpoint.gateway;
    settings.global_ipv6_address = endpoint.global_ipv6_address;
    settings.global_ipv6_prefix_len = endpoint.global_ipv6_prefix_len;
    settings.ip_address = endpoint.ip_address;
    settings.ip_prefix_len = endpoint.ip_prefix_len;
    settings.ipv6_gateway = endpoint.ipv6_gateway;
    settings.mac_address = endpoint.mac_address;
}

}  // namespace

Result<docker::ContainerInspect> inspect_container(Parts& parts, const container::Container& container, bool size) {
    Record record = container.record();
    docker::ContainerInspect view;
    view.id = record.id;
    view.created = record.created;
    view.path = record.path;
    view.args = record.args;
    view.state = record.state;
    view.image = record.image_id;
    if (!record.sandbox_id.empty()) {
        view.resolv_conf_path = parts.paths.container_file(record.id, "resolv.conf");
        view.hostname_path = parts.paths.container_file(record.id, "hostname");
        view.hosts_path = parts.paths.container_file(record.id, "hosts");
    }
    view.log_path = record.log_path;
    view.name = "/" + record.name;
    view.restart_count = record.restart_count;
    view.driver = store::name_of(parts.images.driver());
    view.platform = record.platform;
    view.app_armor_profile = record.apparmor_profile;
    auto execs = parts.execs.running_in(record.id);
    if (!execs.empty()) view.exec_ids = std::move(execs);
    view.host_config = record.host_config;
    view.graph_driver.name = view.driver;
    auto layer = parts.images.writable_layer(record.id);
    if (!layer.upper.empty()) {
        auto lower = parts.images.lower_directories_of(record.id);
        view.graph_driver.data =
            docker::StringMap{{"UpperDir", layer.upper}, {"WorkDir", layer.work}, {"MergedDir", layer.merged}, {"LowerDir", lower ? join(*lower, ":") : ""}};
    }
    if (size) {
        auto written = static_cast<int64_t>(TRY(parts.images.writable_layer_size(record.id)));
        view.size_rw = written;
        view.size_root_fs = written + image_unpacked_size(parts.images, record.image_id).value_or(0);
    }
    view.mounts = record.mounts;
    view.config = record.config;
    view.network_settings.sandbox_id = record.sandbox_id;
    view.network_settings.sandbox_key = record.sandbox_key;
    if (record.state.running) view.network_settings.ports = record.ports;
    view.network_settings.networks = record.networks;
    mirror_bridge_endpoint(view.network_settings);
    return view;
}

}  // namespace proa::engine
