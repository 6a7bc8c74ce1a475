#pragma once
#include "cli/compose/images.h"
#include "compose/plan.h"
#include "compose/up.h"

namespace proa::cli {

/// Everything up to created containers: images, networks, volumes, containers; tells of orphans.
struct Prepared {
    compose::Observed observed;
    compose::Plan plan;
};
/// With `rolling`, what is to be replaced is replaced by compose::roll(), and runs then.
Result<Prepared> prepare(ProjectSession& session, compose::Work& work, const compose::Project& project, const compose::PlanOptions& options,
                         const ImagePolicy& images, const compose::UpOptions& up, bool rolling = false);

/// Leaves the services that were asked for in the project and takes their dependencies away: --no-deps.
void drop_dependencies(compose::Project& project, const std::vector<std::string>& services);

}  // namespace proa::cli
