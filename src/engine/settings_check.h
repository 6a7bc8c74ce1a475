#pragma once
#include "engine/settings.h"

namespace proa::engine {

/// The checks of single values that Docker makes on the merged configuration; plain texts without a prefix.
Result<void> check_values(const Settings& settings);

/// Brings values into their stored form: labels without repetition, mirrors with a slash, registries without a scheme, listeners
/// normalised, derived paths filled in. Errors: InvalidArgument.
Result<void> normalise(Settings& settings);

/// What Docker would find only at the start, and what Proa cannot carry out yet.
Result<void> check_for_start(const Settings& settings);

}  // namespace proa::engine
