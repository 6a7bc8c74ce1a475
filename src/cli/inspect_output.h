#pragma once
#include "cli/template.h"

namespace proa::cli {

/// --format of a single object (info, version): "json" is the whole object. Errors (exit code 64): `template parsing error: ...`.
Result<Template> parse_object_format(std::string_view format, std::string_view name = {});
Result<std::string> print_object(const Template& parsed, const json::Value& object, std::string_view go_type);

/// Go's time.Time.String() of an RFC 3339 text: "2006-01-02 15:04:05.999999999 +0000 UTC".
std::string go_time_text(const std::string& text);

/// What `inspect` prints for raw answers: an indented array, or one line each by the format. `[]` when there are none.
/// Errors: InvalidArgument `template parsing error: ...`.
Result<std::string> print_inspected(const std::vector<std::string>& texts, std::string_view format);

}  // namespace proa::cli
