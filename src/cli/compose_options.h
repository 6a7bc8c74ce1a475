#pragma once
#include "cli/command.h"
#include "compose/load.h"

// What all commands of `proa compose` share.
namespace proa::cli {

/// The flags between "compose" and the command.
std::span<const Flag> compose_flags();

/// What those flags and the environment say about which project is meant.
compose::LoadOptions compose_load_options(const Invocation& call);

/// Loads the project, `services` and what they depend on alone when there are any, and says its warnings on standard error.
/// Exit codes behind an error: 14 for a missing file, 15 for a wrong one, else 1.
Result<compose::Project> load_compose_project(const Invocation& call, const compose::LoadOptions& options);

/// The error with the exit code that compose gives its kind.
Error with_compose_code(Error error);

/// Warnings of a project as compose's logger writes them.
void say_warnings(const std::vector<compose::Warning>& warnings);

}  // namespace proa::cli
