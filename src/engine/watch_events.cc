#include "engine/watch_events.h"

namespace proa::engine {

namespace {

bool matches_action(const docker::Filters& filters, const docker::Event& event) {
    auto& wanted = filters.values("event");
    if (wanted.empty()) return true;
    std::string action = event.action.substr(0, event.action.find(':'));
    return std::any_of(wanted.begin(), wanted.end(), [&](auto& name) { return name == event.action || name == action; });
}

/// By id, or by the attribute `name`; for images also without the tag.
bool matches_object(const docker::Filters& filters, const docker::Event& event, std::string_view type) {
    auto& wanted = filters.values(type);
    if (wanted.empty()) return true;
    if (event.type != type) return false;
    auto name = event.actor.attributes.find("name");
    return std::any_of(wanted.begin(), wanted.end(), [&](auto& value) {
        return event.actor.id == value || (value.size() >= 2 && event.actor.id.starts_with(value)) || (name != event.actor.attributes.end() && name->second == value);
    });
}

bool matches_image(const docker::Filters& filters, const docker::Event& event) {
    auto& wanted = filters.values("image");
    if (wanted.empty()) return true;
    std::vector<std::string> names{event.actor.id};
    for (auto key : {"image", "name"})
        if (auto found = event.actor.attributes.find(key); found != event.actor.attributes.end() && (event.type == "image" || std::string_view(key) == "image"))
            names.push_back(found->second);
    for (auto& name : std::vector<std::string>(names))
        if (auto colon = name.rfind(':'); colon != std::string::npos && name.find('/', colon) == std::string::npos) names.push_back(name.substr(0, colon));
    return std::any_of(wanted.begin(), wanted.end(), [&](auto& value) { return std::find(names.begin(), names.end(), value) != names.end(); });
}

}  // namespace

bool matches_event(const docker::Filters& filters, const docker::Event& event) {
    if (!filters.matches("type", event.type) || !filters.matches("scope", event.scope) || !matches_action(filters, event)) return false;
    for (auto type : {"container", "volume", "network", "plugin", "daemon", "service", "node", "secret", "config"})
        if (!matches_object(filters, event, type)) return false;
    return matches_image(filters, event) && filters.matches_labels(event.actor.attributes);
}

Result<void> watch_events(container::EventBus& bus, const EventsRequest& request, const EventSink& sink) {
    auto subscription = TRY(bus.subscribe(request.since_unix_nano));
    TRY(sink.begin());
    for (;;) {
        for (auto& event : subscription->take()) {
            if (request.until_unix_nano && event.time_nano > *request.until_unix_nano) return {};
            if (matches_event(request.filters, event)) TRY(sink.event(event));
        }
        int timeout_ms = -1;
        if (request.until_unix_nano) {
            int64_t left = *request.until_unix_nano - now().unix_nano();
            if (left <= 0) return {};
            timeout_ms = static_cast<int>(std::min<int64_t>(left / 1000000 + 1, 3600000));
        }
        TRY(sink.wait(subscription->ready_fd(), timeout_ms));
    }
}

}  // namespace proa::engine
