#include "engine/container_events.h"

#include "engine/networks.h"

namespace proa::engine {

void publish_container_event(container::EventBus& events, const container::Container& container, std::string action,
                             std::map<std::string, std::string> attributes) {
    container.read([&](const container::Record& record) {
        if (record.config.labels) attributes.insert(record.config.labels->begin(), record.config.labels->end());
        attributes["image"] = record.config.image;
        attributes["name"] = record.name;
    });
    events.publish("container", std::move(action), container.id(), std::move(attributes));
}

void publish_network_event(container::EventBus& events, const Network& network, const std::string& container_id, const std::string& action) {
    events.publish("network", action, network.id(), {{"container", container_id}, {"name", network.name()}, {"type", network.shown().driver}});
}

void publish_network_events(container::EventBus& events, const Networks& networks, const container::Record& record, const std::string& action) {
    for (auto& [name, endpoint] : record.networks) {
        if (endpoint.network_id.empty()) continue;
        if (auto network = networks.find(endpoint.network_id)) publish_network_event(events, **network, record.id, action);
    }
}

}  // namespace proa::engine
