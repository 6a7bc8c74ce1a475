#pragma once
#include "engine/settings.h"
#include "http/server.h"

namespace proa::api {

/// Opens the daemon's sockets: unix ones with group and mode 0660, TCP ones with TLS. TCP without client verification is refused
/// beyond loopback. Errors: Forbidden, NotFound (group, certificates), Conflict (address in use).
Result<void> open_listeners(engine::Settings& settings, http::Server& server);

}  // namespace proa::api
