#pragma once
#include "container/container.h"
#include "container/event_bus.h"

namespace proa::engine {

/// Publishes an event of a container with its labels, image and name, and further attributes.
void publish_container_event(container::EventBus& events, const container::Container& container, std::string action,
                             std::map<std::string, std::string> attributes = {});

/// Publishes `action` ("connect", "disconnect") of every network that the record has an endpoint on.
void publish_network_events(container::EventBus& events, const container::Record& record, const std::string& action);

}  // namespace proa::engine
