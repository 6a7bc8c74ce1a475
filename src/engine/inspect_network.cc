#include "engine/inspect_network.h"

#include <algorithm>

namespace proa::engine {

namespace {

std::string with_length(const std::string& address, int64_t length) { return address.empty() ? "" : concat(address, '/', length); }

bool contains(const docker::Filters& filters, std::string_view name, const std::string& text) {
    auto& wanted = filters.values(name);
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](auto& value) { return text.find(value) != std::string::npos; });
}

Result<void> check_types(const docker::Filters& filters) {
    for (auto& type : filters.values("type"))
        if (type != "builtin" && type != "custom") return fail(ErrorKind::InvalidArgument, concat("invalid filter: 'type'='", type, "'"));
    return {};
}

}  // namespace

docker::Network inspect_network(Parts& parts, const NetworkPointer& network) {
    docker::Network view = network->shown();
    for (auto& container : parts.containers.all())
        container->read([&](const container::Record& record) {
            if (!record.state.running) return;
            for (auto& [name, settings] : record.networks) {
                if (settings.network_id != network->id() || settings.endpoint_id.empty()) continue;
                view.containers[record.id] = docker::EndpointResource{record.name, settings.endpoint_id, settings.mac_address,
                                                                      with_length(settings.ip_address, settings.ip_prefix_len),
                                                                      with_length(settings.global_ipv6_address, settings.global_ipv6_prefix_len)};
            }
        });
    return view;
}

Result<std::vector<docker::Network>> list_networks(Parts& parts, const docker::Filters& filters) {
    TRY(filters.check_names({"dangling", "driver", "id", "label", "label!", "name", "scope", "type"}));
    TRY(check_types(filters));
    bool dangling = TRY(filters.boolean("dangling", false));
    std::vector<docker::Network> matching;
    for (auto& network : parts.network.all()) {
        auto& shown = network->shown();
        bool unused = !network->is_predefined() && !network->is_used();
        bool matches = filters.matches("driver", shown.driver) && contains(filters, "id", shown.id) && contains(filters, "name", shown.name) &&
                       filters.matches("scope", shown.scope) && filters.matches("type", network->is_predefined() ? "builtin" : "custom") &&
                       filters.matches_labels(shown.labels) && (!filters.has("dangling") || dangling == unused);
        if (matches) matching.push_back(shown);
    }
    return matching;
}

}  // namespace proa::engine
