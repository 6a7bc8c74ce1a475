#pragma once
#include "compose/context.h"
#include "compose/variables.h"

namespace proa::compose {

/// Replaces the variables in all values (not in keys) and gives those their type which the model wants as numbers or booleans.
/// Errors (InvalidArgument): `invalid interpolation format for services.a.image.\nYou may need to escape any $ with another $.\n${X`,
/// `error while interpolating services.a.privileged: failed to cast to expected type: invalid boolean: notbool`.
Result<void> interpolate(Context& context, yaml::Node& model, const Lookup& lookup);

/// "true", "yes", "on" and their opposites; the latter four with a warning. Errors: `invalid boolean: x`.
Result<bool> text_to_boolean(Context& context, const yaml::Node& node);
/// Decimal digits with a sign. Errors as Go's strconv: `strconv.Atoi: parsing "x": invalid syntax`.
Result<int64_t> text_to_integer(std::string_view text, std::string_view function);

}  // namespace proa::compose
