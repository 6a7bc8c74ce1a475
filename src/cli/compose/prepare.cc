#include "cli/compose/prepare.h"

#include <algorithm>

#include "base/text.h"
#include "compose/rolling.h"

namespace proa::cli {

namespace {
void warn_of_orphans(const compose::Plan& plan, const compose::Project& project) {
    if (plan.orphans.empty() || plan.removes_orphans) return;
    auto ignored = project.environment.find("COMPOSE_IGNORE_ORPHANS");
    if (ignored != project.environment.end() && parse_bool(ignored->second).value_or(false)) return;
    std::vector<std::string> names;
    for (auto* orphan : plan.orphans) names.push_back(orphan->name);
    put_warning(concat("Found orphan containers ([", join(names, " "),
                       "]) for this project. If you removed or renamed this service in your compose file, you can run this command "
                       "with the --remove-orphans flag to clean it up."));
}

}  // namespace

Result<Prepared> prepare(ProjectSession& session, compose::Work& work, const compose::Project& project, const compose::PlanOptions& options,
                         const ImagePolicy& images, const compose::UpOptions& up, bool rolling) {
    Prepared prepared{TRY(compose::observe(session.engines(), project)), {}};
    TRY(ensure_images(session, project, images, prepared.observed));
    // The plan points into this copy: carrying it out changes the other one.
    auto before = std::make_unique<compose::Observed>(prepared.observed);
    prepared.plan = TRY(compose::make_plan(project, *before, options));
    for (auto& warning : prepared.plan.warnings) put_warning(warning);
    warn_of_orphans(prepared.plan, project);
    compose::RollingWays ways;
    if (rolling) ways = TRY(compose::check_rolling(session.engines(), project, prepared.plan));
    TRY(compose::carry_out(work, project, prepared.observed, rolling ? compose::plan_without_replacements(prepared.plan) : prepared.plan, up));
    if (rolling) TRY(compose::roll(work, project, prepared.observed, prepared.plan, up, ways));
    prepared.plan.orphans.clear();
    return prepared;
}

void drop_dependencies(compose::Project& project, const std::vector<std::string>& services) {
    for (auto& [name, service] : project.services) {
        bool asked = services.empty() || std::find(services.begin(), services.end(), name) != services.end();
        if (asked) service.depends_on.clear();
        else project.disabled_services.insert({name, service});
    }
    if (!services.empty())
        std::erase_if(project.services, [&](auto& each) { return std::find(services.begin(), services.end(), each.first) == services.end(); });
}

}  // namespace proa::cli
