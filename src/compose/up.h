#pragma once
#include "compose/plan.h"
#include "compose/wait.h"

// Carrying a plan out.
namespace proa::compose {

/// How `up` and `create` go about it.
struct UpOptions {
    bool inherit_volumes = true;  ///< false: -V, new anonymous volumes
};

/// Networks, volumes, then containers in dependency order: creates, replaces and removes as the plan says; starts nothing but what a
/// replacement stopped. `observed` is brought up to date.
Result<void> carry_out(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options);

/// What `start_services` needs to know of a service: with a project its file says so, without one the containers' labels do.
struct StartOrder {
    TaskGraph graph;
    std::map<std::string, std::vector<Dependency>> dependencies;
};
StartOrder start_order(const Project& project);
StartOrder start_order(const std::vector<ProjectContainer>& containers);

/// Starts what does not run, each service once what it depends on is ready. `project` may be nullptr.
/// Errors: the first failure; services after it are not started.
Result<void> start_services(Work& work, const Project* project, const StartOrder& order, const std::vector<ProjectContainer>& containers,
                            const std::vector<std::string>& services, int64_t deadline);

/// Until all containers run, or are healthy where they have a health check: `--wait`.
Result<void> wait_until_up(Work& work, const std::vector<ProjectContainer>& containers, const std::vector<std::string>& services, int64_t deadline);

}  // namespace proa::compose
