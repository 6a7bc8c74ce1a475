#pragma once
#include "container/container.h"
#include "engine/parts.h"

namespace proa::engine {

/// Gives a container a further network: at once when it runs, else with its next start.
/// Errors: InvalidArgument (settings, host or shared network), Forbidden (connected already, address in use), NotFound.
Result<void> connect_container(Parts& parts, const std::string& network_name, const container::ContainerPointer& container, docker::EndpointSettings settings);

/// Errors: Internal with Docker's "container x is not connected to the network y", InvalidArgument (host or shared network).
Result<void> disconnect_container(Parts& parts, const std::string& network_name, const container::ContainerPointer& container);

}  // namespace proa::engine
