#pragma once
#include "client/client.h"
#include "compose/project.h"

namespace proa::compose {

/// Runs post_start or pre_stop commands in a running container, one after the other. Errors: Internal `NAME hook exited with status N`
/// with what the command printed.
Result<void> run_hooks(client::Client& engine, const std::string& id, std::string_view container_name, std::string_view what, const std::vector<ServiceHook>& hooks);

}  // namespace proa::compose
