#pragma once
#include "engine/parts.h"
#include "schema/docker/system.h"

namespace proa::engine {

struct CreatedNetwork {
    std::string id, warning;
};
/// Makes a network from a request's fields (Id, Created and Containers are ignored).
/// Errors: InvalidArgument, Forbidden (predefined name, overlapping pool), Conflict (name), NotFound (driver), Unsupported by this kernel.
Result<CreatedNetwork> create_network(Parts& parts, docker::Network request);

}  // namespace proa::engine
