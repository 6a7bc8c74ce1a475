#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Variables and quotes in a Dockerfile's words. Spec: Dockerfile reference, "Environment replacement"
namespace proa::dockerfile {

/// The value of a variable; nullopt when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

/// `$v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?e} ${v?e} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}`; quotes and escapes go.
/// Errors: InvalidArgument `failed to process "${U:?msg}": U: msg`.
Result<std::string> expand(std::string_view word, const Lookup& lookup, char escape = '\\');
/// The same, and the result is cut at blanks that stand outside of quotes.
Result<std::vector<std::string>> expand_words(std::string_view word, const Lookup& lookup, char escape = '\\');

/// Variables in the lines of a heredoc: quotes stay, and so does every escape that does not stand before `$`.
Result<std::string> expand_heredoc(std::string_view text, const Lookup& lookup, char escape = '\\');

}  // namespace proa::dockerfile
