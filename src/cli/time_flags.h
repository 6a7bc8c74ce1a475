#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::cli {

/// --since and --until for the API: Unix seconds, with nanoseconds where given. Takes Unix times as they are, Go durations
/// (back from now), RFC 3339 and shorter local dates. Errors: InvalidArgument `failed to parse value as time or duration: ...`.
Result<std::string> api_time(std::string_view text);

}  // namespace proa::cli
