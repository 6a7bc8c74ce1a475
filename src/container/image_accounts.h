#pragma once
#include "runtime/identity.h"
#include "runtime/plan.h"

namespace proa::container {

/// Who `process` is by the passwd and group files of a container that does not run: its layers are mounted read-only for the length
/// of the call, where no other process sees them. Needs CAP_SYS_ADMIN. Errors: as runtime::resolve_identity().
Result<runtime::Identity> identity_in_layers(const runtime::Process& process, const runtime::Root& root);

/// The same for a running container, by its init.
Result<runtime::Identity> identity_in_running(const runtime::Process& process, int32_t init_pid);

}  // namespace proa::container
