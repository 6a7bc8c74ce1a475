#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::registry {

/// The failure that an answer of 300 and above stands for, in the words of Docker's client library: `manifest unknown: manifest
/// unknown`, `unauthorized: authentication required`, `received unexpected HTTP status: 500 Internal Server Error`.
/// Kinds: Unauthorized, Forbidden (denied), NotFound, Unavailable (429 and 5xx), else Internal.
Error refusal(int status, std::string_view body);

/// Whether it is the code's text (`manifest unknown`) that the failure begins with.
inline bool is_refusal(const Error& error, std::string_view code) {
    return error.message().starts_with(code) && error.message().substr(code.size()).starts_with(':');
}

}  // namespace proa::registry
