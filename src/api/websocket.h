#pragma once
#include <string>

#include "api/call.h"
#include "os/fd.h"

// RFC 6455, as much as attach over WebSocket needs. (Spec: rfc6455)
namespace proa::api {

/// The response head that accepts the upgrade; nullopt when the request is no WebSocket handshake.
std::optional<std::string> websocket_head(const http::Request& request);

/// Carries bytes between a WebSocket client and a plain stream until both ways or one side have ended: messages of any kind become bytes of
/// `stream`, what comes from it becomes binary messages. Answers pings; ends with a close frame. Messages above 1 MiB end it.
/// `early` came behind the request. Blocks.
Result<void> relay_websocket(const os::Fd& client, std::string early, const os::Fd& stream);

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

}  // namespace proa::api
