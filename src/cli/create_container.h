#pragma once
#include "cli/command.h"
#include "cli/container_options.h"

namespace proa::cli {

/// Creates the container, pulling its image first when the policy or the daemon's 404 asks for it; writes --cidfile.
/// Warnings and progress go to standard error.
Result<std::string> create_container(Invocation& call, ContainerOptions& options);

/// Errors: InvalidArgument `invalid pull option: ...`.
Result<void> check_pull_policy(const FlagSet& flags);

/// Pulls `image` (a reference as users write it) with progress to `fd`.
Result<void> pull_image(Session& session, std::string_view image, std::string_view platform, bool quiet, int fd);

/// Prints "docker: <message>" and the help hint as run and create do; gives the exit code for the daemon's text:
/// 127 for a missing program, 126 for one that cannot be executed, else 125.
int container_error(const Invocation& call, std::string_view message, bool with_hint = true);
int exit_code_of_error(std::string_view message);

/// --platform, or DOCKER_DEFAULT_PLATFORM.
std::string default_platform(const FlagSet& flags);
/// --detach-keys, or the config's, as text ("" when neither is set) and as bytes.
struct DetachKeys {
    std::string text, bytes;
};
Result<DetachKeys> detach_keys(Invocation& call);

}  // namespace proa::cli
