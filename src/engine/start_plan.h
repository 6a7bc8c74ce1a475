#pragma once
#include "container/plan.h"
#include "engine/default_network.h"
#include "engine/parts.h"

namespace proa::engine {

/// Everything the record's start needs, resolved: layers, files, joined namespaces, seccomp filter.
Result<runtime::Plan> make_start_plan(Parts& parts, const container::Record& record, const NetworkAttachment& network);

/// The parts of that which an exec needs too: filter, privileges, limits.
Result<container::PlanInputs> process_inputs(Parts& parts, const container::Record& record);

/// The seccomp profile for SeccompProfiles: "unconfined" for a privileged container.
Result<std::string> seccomp_profile_of(const Parts& parts, const container::Record& record);

}  // namespace proa::engine
