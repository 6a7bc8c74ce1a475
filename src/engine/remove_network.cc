#include "engine/remove_network.h"

#include "engine/networks.h"
#include "engine/prune.h"

namespace proa::engine {

namespace {

Result<void> remove_and_tell(Parts& parts, const NetworkPointer& network) {
    TRY(parts.network.remove(network));
    parts.events.publish("network", "destroy", network->id(), {{"name", network->name()}, {"type", network->shown().driver}});
    return {};
}

}  // namespace

Result<void> remove_network(Parts& parts, const std::string& name) {
    auto network = TRY(parts.network.find(name));
    if (network->is_predefined()) return fail(ErrorKind::Forbidden, concat(network->name(), " is a pre-defined network and cannot be removed"));
    if (network->driver() == NetworkDriver::Configuration)
        for (auto& other : parts.network.all())
            if (other->shown().config_from.network == network->name())
                return fail(ErrorKind::Forbidden, concat("configuration network ", quote(network->name()), " is in use"));
    return remove_and_tell(parts, network);
}

Result<docker::Strings> prune_networks(Parts& parts, const docker::Filters& filters) {
    TRY(filters.check_names({"label", "label!", "until"}));
    auto until = TRY(until_of(filters));
    docker::Strings removed;
    for (auto& network : parts.network.all()) {
        if (network->is_predefined() || network->is_used() || !filters.matches_labels(network->shown().labels)) continue;
        if (until && network->shown().created > *until) continue;
        if (network->driver() == NetworkDriver::Configuration || !remove_and_tell(parts, network)) continue;  // taken or removed meanwhile
        if (!removed) removed.emplace();
        removed->push_back(network->name());
    }
    parts.events.publish("network", "prune", "", {{"reclaimed", "0"}});
    return removed;
}

}  // namespace proa::engine
