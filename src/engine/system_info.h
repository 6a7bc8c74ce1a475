#pragma once
#include "engine/parts.h"
#include "schema/docker/system.h"

namespace proa::engine {

/// `docker version`'s server half. `api_version` is the newest that is served.
docker::Version version_of(const std::string& api_version, const std::string& min_api_version);

/// `docker info`.
Result<json::Value> system_info(Parts& parts);

/// An id of this installation: made at the first start, kept in the data root.
Result<std::string> engine_id(const Paths& paths);

}  // namespace proa::engine
