#pragma once
#include "api/router.h"
#include "engine/parts.h"

namespace proa::api {

// One function a resource; each adds its routes, whose handlers keep a reference to `parts`.
void add_container_routes(Router& router, engine::Parts& parts);
void add_stream_routes(Router& router, engine::Parts& parts);  ///< attach, logs, wait, stats, events
void add_file_routes(Router& router, engine::Parts& parts);    ///< changes, commit
void add_usage_routes(Router& router, engine::Parts& parts);   ///< system df, why
void add_exec_routes(Router& router, engine::Parts& parts);
void add_image_routes(Router& router, engine::Parts& parts);
void add_build_routes(Router& router, engine::Parts& parts);
void add_network_routes(Router& router, engine::Parts& parts);
void add_registry_routes(Router& router, engine::Parts& parts);  ///< push, login, search, distribution
void add_volume_routes(Router& router, engine::Parts& parts);
void add_system_routes(Router& router, engine::Parts& parts);
void add_absent_routes(Router& router, engine::Parts& parts);  ///< swarm, managed plugins, attestations

}  // namespace proa::api
