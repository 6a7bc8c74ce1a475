#include "engine/container_events.h"

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

void publish_network_events(container::EventBus& events, const container::Record& record, const std::string& action) {
    for (auto& [name, endpoint] : record.networks) {
        if (endpoint.network_id.empty()) continue;
        std::string type = name == "none" ? "null" : name == "host" ? "host" : "bridge";
        events.publish("network", action, endpoint.network_id, {{"container", record.id}, {"name", name}, {"type", type}});
    }
}

}  // namespace proa::engine
