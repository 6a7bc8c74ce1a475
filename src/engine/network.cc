#include "engine/network.h"

#include "base/id.h"

PROA_JSON_TABLE(proa::engine::NetworkRecord, "NetworkRecord", field<&T::shown>("Network"), field<&T::own_subnet>("OwnSubnet"), field<&T::own_subnet6>("OwnSubnet6"))

namespace proa::engine {

Result<void> Network::enter(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    if (retired_) return fail(ErrorKind::NotFound, concat("network ", name(), " not found"));
    if (!live_.failure.empty()) return fail(ErrorKind::Internal, concat("network ", name(), " is not up: ", live_.failure));
    containers_.insert(container_id);
    return {};
}

void Network::leave(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    containers_.erase(container_id);
}

bool Network::is_used() const {
    std::lock_guard lock(mutex_);
    return !containers_.empty();
}

Result<void> Network::retire() {
    std::lock_guard lock(mutex_);
    if (retired_) return fail(ErrorKind::NotFound, concat("network ", name(), " not found"));
    if (!containers_.empty()) {
        std::string users;
        for (auto& container : containers_) users += concat(users.empty() ? "" : ", ", short_id(container));
        return fail(ErrorKind::Forbidden, concat("error while removing network: network ", name(), " id ", id(), " has active endpoints (of ", users, ")"));
    }
    retired_ = true;
    return {};
}

}  // namespace proa::engine
