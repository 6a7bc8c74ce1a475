#pragma once
#include <string>
#include <string_view>

namespace proa::json {

/// Why `text` is not one JSON value, in the words of Go's encoding/json: "invalid character '}' after object key",
/// "unexpected end of JSON input". "" when the text is well formed. Does not check UTF-8 and has no depth limit.
std::string syntax_error(std::string_view text);

}  // namespace proa::json
