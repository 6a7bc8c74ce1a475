#pragma once
#include "compose/actions.h"

// Waiting until containers are what others need them to be.
namespace proa::compose {

/// What one service needs of another.
struct Dependency {
    std::string service, condition;
    bool required = true;
};
std::vector<Dependency> dependencies_of(const Service& service);

/// Polls until the containers meet the condition: "service_started" (at once), "service_healthy", "service_completed_successfully", or
/// "running_or_healthy" (healthy where there is a health check). Reports "Waiting", then "Healthy", "Exited" or "Error".
/// `deadline` is monotonic nanoseconds, 0 for none.
/// Errors: Conflict with docker compose's texts: `container X is unhealthy`, `container X exited (N)`, `service "x" didn't complete successfully: exit N`.
Result<void> wait_for_condition(Work& work, const std::string& service, const std::vector<ProjectContainer>& containers, const std::string& condition, int64_t deadline);

/// Before the start of a service. Errors: as above after `dependency failed to start: `; a failure of what is not required is a warning.
Result<void> wait_for_dependencies(Work& work, const std::vector<Dependency>& dependencies,
                                   const std::function<std::vector<ProjectContainer>(const std::string& service)>& containers_of, int64_t deadline);

}  // namespace proa::compose
