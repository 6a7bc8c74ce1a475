#pragma once
#include "cli/template.h"

namespace proa::cli {

/// --format of a single object (info, version): "json" is the whole object. Errors: InvalidArgument `template parsing error: ...`.
Result<Template> parse_object_format(std::string_view format, std::string_view name = {});
Result<std::string> print_object(const Template& parsed, const json::Value& object, std::string_view go_type);

/// Go's knowledge of Docker's inspect answers: which members are maps, which fields may be missing.
const TemplateTypes& inspect_types();

/// What `inspect` prints for raw answers: an indented array, or one line each by the format. `[]` when there are none.
/// Errors: InvalidArgument `template parsing error: ...`.
Result<std::string> print_inspected(const std::vector<std::string>& texts, std::string_view format);

}  // namespace proa::cli
