#pragma once
#include "container/plan.h"
#include "engine/container_mounts.h"
#include "engine/network_attachment.h"
#include "engine/parts.h"

namespace proa::engine {

struct StartPlan {
    runtime::Plan plan;
    std::vector<os::Fd> trees;  ///< plan descriptors behind that of the network namespace: detached mounts
};

/// Everything the record's start needs, resolved: layers, files, joined namespaces, devices, seccomp filter.
/// Errors: Conflict "can't join IPC of container X: non-shareable IPC (hint: use IpcMode:shareable for the donor container)" and the like.
Result<StartPlan> make_start_plan(Parts& parts, const container::Record& record, const NetworkAttachment& network, MountAttachment mounts);

/// The parts of that which an exec needs too: filter, privileges, limits.
Result<container::PlanInputs> process_inputs(Parts& parts, const container::Record& record);

/// The seccomp profile for SeccompProfiles: "unconfined" for a privileged container.
Result<std::string> seccomp_profile_of(const Parts& parts, const container::Record& record);

}  // namespace proa::engine
