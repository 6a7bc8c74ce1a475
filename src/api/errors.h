#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::api {

/// The HTTP status of a failure; 499 (client closed request, never sent) for Cancelled.
int status_of(ErrorKind kind);
/// `{"message":"..."}` with a line end, as every Docker error body.
std::string error_body(std::string_view message);

}  // namespace proa::api
