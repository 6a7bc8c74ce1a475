#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Fills the record's networks from a create request, before the first start. Errors: InvalidArgument.
Result<void> settle_networks(Parts& parts, container::Record& record, const std::optional<docker::NetworkingConfig>& request);

/// What can be said of an endpoint's settings without the network. Errors: InvalidArgument.
Result<void> check_endpoint_settings(const std::string& network, const docker::EndpointSettings& settings);

}  // namespace proa::engine
