#pragma once
#include <functional>

#include "container/event_bus.h"
#include "schema/docker/filters.h"

namespace proa::engine {

struct EventsRequest {
    docker::Filters filters;
    std::optional<int64_t> since_unix_nano, until_unix_nano;
};

struct EventSink {
    std::function<Result<void>()> begin;  ///< answers the client, which may do at once what it wants to see the events of
    std::function<Result<void>(docker::Event)> event;
    /// Waits up to `timeout_ms` for `event_fd`. Errors: Cancelled when the client has gone.
    std::function<Result<bool>(int event_fd, int timeout_ms)> wait;
};

/// Replays kept events since `since` and goes on with new ones until `until` or until the client goes.
Result<void> watch_events(container::EventBus& bus, const EventsRequest& request, const EventSink& sink);

/// Docker's event filters; names that it does not know let everything pass.
bool matches_event(const docker::Filters& filters, const docker::Event& event);

}  // namespace proa::engine
