#pragma once
#include "container/record.h"
#include "runtime/plan.h"

namespace proa::engine {

/// Makes mounts fit the container's user, our own additions: `bind-idmap=match-user` shows what belongs to the owner of a bind's source as
/// the user's (an idmapped mount, nothing on disk changes); `-v SOURCE:DESTINATION:U` gives the source and all below it to the user.
/// Errors: those of resolving the user, and of the file system.
Result<void> fit_owners(const container::Record& record, runtime::Plan& plan);

}  // namespace proa::engine
