#pragma once
#include "compose/context.h"

namespace proa::compose {

/// `~` and `~/x` with the home directory of HOME; stays when that is not set.
std::string expand_home(std::string_view path);
/// How `target` is written from `base`, both absolute: "../x".
std::string relative_path(std::string_view base, std::string_view target);

/// Joins the relative paths of a canonical model to `base`: build contexts, env files, mounts, watched paths, files of secrets and configs,
/// devices of local volumes that bind. Errors: InvalidArgument for a bind mount without a source.
Result<void> resolve_paths(const Context& context, yaml::Node& model, const std::string& base);

}  // namespace proa::compose
