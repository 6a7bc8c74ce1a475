#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// Variables in the texts of compose files and env files. Spec: compose-spec, "Interpolation"
namespace proa::compose {

using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
/// Told of each variable that is not set and has no default.
using Unset = std::function<void(std::string_view name)>;

/// `$$ $V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+r} ${V+r}`; defaults, messages and replacements may hold variables again. A `$` before
/// anything else stays.
/// Errors (InvalidArgument): `required variable V is missing a value: e`; for `${` without a name or an end the bad text alone, with the
/// number kInvalidTemplate.
Result<std::string> substitute(std::string_view text, const Lookup& lookup, const Unset& unset);
inline constexpr int kInvalidTemplate = 1;

/// A variable as a model mentions it.
struct Variable {
    std::string default_value, presence_value;
    bool required = false;
};
/// Adds the variables of a text.
void extract_variables(std::string_view text, std::map<std::string, Variable>& variables);

}  // namespace proa::compose
