#pragma once
#include <string>
#include <vector>

#include "runtime/plan.h"

namespace proa::bundle {

/// Splits an OCI mount's options into flags, attributes, propagation and the file system's own data.
/// Spec: config.md, "Linux mount options". Errors: InvalidArgument for options that exclude each other.
Result<void> apply_mount_options(const std::vector<std::string>& options, runtime::Mount& mount);

/// All option names that are understood, for `features`.
std::vector<std::string> known_mount_options();

}  // namespace proa::bundle
