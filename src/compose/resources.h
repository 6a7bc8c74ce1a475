#pragma once
#include "compose/plan.h"
#include "compose/progress.h"

// The networks and volumes of a project.
namespace proa::compose {

/// Adds to the plan what is missing, and warnings for what is there but belongs to somebody else.
/// Errors: NotFound for a missing external one, Conflict for a network of another key.
Result<void> plan_networks(const Project& project, const Observed& observed, Plan& plan);
Result<void> plan_volumes(const Project& project, const Observed& observed, Plan& plan);

/// Makes what the plan says is missing.
Result<void> create_networks(EnginePool& engines, const Project& project, const Plan& plan, const Report& report);
Result<void> create_volumes(EnginePool& engines, const Project& project, const Plan& plan, const Report& report);

/// Removes networks by name; one that is still in use stays and is a warning of the report.
Result<void> remove_networks(EnginePool& engines, const std::vector<std::pair<std::string, std::string>>& names_and_ids, const Report& report);
Result<void> remove_volumes(EnginePool& engines, const std::vector<std::string>& names, const Report& report);

}  // namespace proa::compose
