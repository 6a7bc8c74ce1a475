#pragma once
#include <string>

#include "api/call.h"

// The raw response heads of streams that leave HTTP. Spec: no length, no encoding; clients choose how to read by the type.
namespace proa::api {

/// The client sent an Upgrade header (of any kind): it wants 101.
bool wants_upgrade(const Call& call);

/// Attach: "101 UPGRADED" or, without Upgrade, "200 OK". None of Docker's own headers.
std::string attach_head(const Call& call, bool tty);
/// Exec start: the same with Docker's headers behind.
std::string exec_start_head(const Call& call, bool tty);
/// /session and /grpc: "101 Switching Protocols" to `protocol` ("h2c").
std::string switching_protocols_head(std::string_view protocol);

/// Answers a failed attach, which is text in a raw stream and ends the connection.
Result<void> respond_attach_error(Call& call, const Error& error);

}  // namespace proa::api
