#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// The record's `Networks` before the first start. Errors: InvalidArgument.
Result<std::map<std::string, docker::EndpointSettings>> initial_networks(const docker::HostConfig& host,
                                                                         const std::optional<docker::NetworkingConfig>& request);

}  // namespace proa::engine
