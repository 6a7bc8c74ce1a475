#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/plan.h"

namespace proa::runtime {

/// The state JSON for a hook: `state` with @STATUS@ and @PID@ filled in.
std::string hook_state_text(std::string state, std::string_view status, pid_t pid);

/// Runs the hooks one after the other in the calling process's namespaces, each with the state JSON on stdin and with its own
/// environment. Errors (Internal) name the hook, its exit status and what it wrote to stderr; a hook that outlives its time is killed.
Result<void> run_hooks(const std::vector<Hook>& hooks, const std::string& state, std::string_view status, pid_t pid);

}  // namespace proa::runtime
