#pragma once
#include "container/container.h"
#include "container/event_bus.h"

namespace proa::engine {

class Network;
class Networks;

/// Publishes an event of a container with its labels, image and name, and further attributes.
void publish_container_event(container::EventBus& events, const container::Container& container, std::string action,
                             std::map<std::string, std::string> attributes = {});

/// Publishes "connect" or "disconnect" of one network.
void publish_network_event(container::EventBus& events, const Network& network, const std::string& container_id, const std::string& action);
/// Publishes `action` ("connect", "disconnect") of every network that the record has an endpoint on.
void publish_network_events(container::EventBus& events, const Networks& networks, const container::Record& record, const std::string& action);

}  // namespace proa::engine
