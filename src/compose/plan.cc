#include "compose/plan.h"

#include <algorithm>

#include "base/text.h"
#include "compose/create_request.h"
#include "compose/labels.h"
#include "compose/load.h"
#include "compose/resources.h"

namespace proa::compose {

namespace {
using Action = ContainerStep::Action;

/// Why the container is not what the file says; empty when it is.
std::vector<std::string> divergence(const Service& service, const ProjectContainer& container, const std::string& image_id) {
    std::vector<std::string> reasons;
    if (container.label(kConfigHashLabel) != config_hash(service)) {
        std::string before = container.label(kFieldHashesLabel);
        if (!before.empty()) reasons = changed_fields(before, field_hashes(service));
        if (reasons.empty()) reasons.push_back("configuration");
    }
    if (!image_id.empty() && container.label(kImageLabel) != image_id && std::find(reasons.begin(), reasons.end(), "image") == reasons.end())
        reasons.push_back("image (another one has this name now)");
    return reasons;
}

/// Services whose namespaces or volumes this one shares.
std::set<std::string> shared_with(const Service& service) {
    std::set<std::string> names;
    for (auto* mode : {&service.network_mode, &service.ipc, &service.pid})
        if (mode->starts_with("service:")) names.insert(mode->substr(8));
    for (auto& item : service.volumes_from)
        if (!item.starts_with("container:")) names.insert(item.substr(0, item.find(':')));
    return names;
}

class Planner {
public:
    Planner(const Project& project, const Observed& observed, const PlanOptions& options) : project_(project), observed_(observed), options_(options) {}

    Result<Plan> plan() {
        TRY(plan_networks(project_, observed_, plan_));
        TRY(plan_volumes(project_, observed_, plan_));
        for (auto& name : in_dependency_order(project_)) TRY(plan_service(project_.services.at(name)));
        for (auto& container : observed_.containers)
            if (!project_.services.contains(container.service) && !project_.disabled_services.contains(container.service)) plan_.orphans.push_back(&container);
        plan_.removes_orphans = options_.remove_orphans && !plan_.orphans.empty();
        return std::move(plan_);
    }

private:
    bool asked_for(const std::string& name) const {
        return options_.services.empty() || std::find(options_.services.begin(), options_.services.end(), name) != options_.services.end();
    }

    Result<void> plan_service(const Service& service) {
        int64_t wanted = wanted_count(service, options_);
        if (wanted > 1 && !service.container_name.empty())
            return fail(ErrorKind::InvalidArgument,
                        concat("WARNING: The ", quote(service.name), " service is using the custom container name ", quote(service.container_name),
                               ". Docker requires each container to have a unique name. Remove the custom name to scale the service"));
        ServicePlan steps{service.name, {}, {}};
        auto image = observed_.images.find(image_name(project_, service));
        std::string image_id = image == observed_.images.end() ? "" : image->second.id;
        if (image_id.empty() && wanted > 0) steps.missing_image = image_name(project_, service);
        Recreate policy = asked_for(service.name) ? options_.recreate : options_.recreate_dependencies;
        struct Present {
            const ProjectContainer* container;
            std::vector<std::string> reasons;
        };
        std::vector<Present> present;
        for (auto* container : observed_.of_service(service.name)) present.push_back({container, reasons_to_recreate(service, *container, image_id, policy)});
        // What must be replaced anyhow goes first when there are too many, then the highest numbers.
        std::stable_sort(present.begin(), present.end(), [](auto& a, auto& b) { return a.reasons.empty() && !b.reasons.empty(); });
        bool replaced = false;
        for (size_t i = 0; i < present.size(); i++) {
            auto& [container, reasons] = present[i];
            ContainerStep step{Action::Keep, container->name, container->number, container->id, container->running(), reasons};
            if (static_cast<int64_t>(i) >= wanted) step.action = Action::Remove, step.reasons = {concat("scale: ", wanted)};
            else if (!reasons.empty()) step.action = Action::Recreate;
            else if (auto dependency = replaced_dependency(service); !dependency.empty() && step.running) {
                step.action = Action::Restart;
                step.reasons = {concat("depends_on ", dependency, ", which is replaced")};
            }
            if (step.action == Action::Recreate) step.name = container_name(project_, service, container->number);
            replaced |= step.action == Action::Recreate;
            steps.steps.push_back(std::move(step));
        }
        add_new(service, wanted - static_cast<int64_t>(present.size()), steps);
        std::stable_sort(steps.steps.begin(), steps.steps.end(), [](auto& a, auto& b) { return a.number < b.number; });
        if (replaced) replaced_.insert(service.name);
        plan_.services.push_back(std::move(steps));
        return {};
    }

    std::vector<std::string> reasons_to_recreate(const Service& service, const ProjectContainer& container, const std::string& image_id,
                                                 Recreate policy) const {
        if (policy == Recreate::Never) return {};
        if (policy == Recreate::Always) return {asked_for(service.name) ? "--force-recreate" : "--always-recreate-deps"};
        auto reasons = divergence(service, container, image_id);
        for (auto& name : shared_with(service))
            if (replaced_.contains(name)) reasons.push_back(concat("shares with ", name, ", which is replaced"));
        return reasons;
    }

    std::string replaced_dependency(const Service& service) const {
        for (auto& [name, dependency] : service.depends_on)
            if (dependency.restart && replaced_.contains(name)) return name;
        return "";
    }

    /// New containers get numbers above the highest one.
    void add_new(const Service& service, int64_t count, ServicePlan& steps) const {
        int64_t number = 0;
        for (auto& step : steps.steps) number = std::max(number, step.number);
        for (int64_t i = 0; i < count; i++) {
            number++;
            steps.steps.push_back({Action::Create, container_name(project_, service, number), number, "", false, {}});
        }
    }

    const Project& project_;
    const Observed& observed_;
    const PlanOptions& options_;
    Plan plan_;
    std::set<std::string> replaced_;
};
}  // namespace

bool Plan::empty() const {
    if (!networks.empty() || !volumes.empty() || removes_orphans) return false;
    for (auto& service : services)
        for (auto& step : service.steps)
            if (step.action != Action::Keep || !step.running) return false;
    return true;
}

int64_t wanted_count(const Service& service, const PlanOptions& options) {
    auto found = options.scale.find(service.name);
    return found == options.scale.end() ? service.replicas() : found->second;
}

TaskGraph service_graph(const Project& project) {
    TaskGraph graph;
    for (auto& [name, service] : project.services) {
        graph.tasks.push_back(name);
        for (auto& [other, dependency] : service.depends_on) graph.after[name].insert(other);
    }
    return graph;
}

std::vector<std::string> in_dependency_order(const Project& project) {
    std::vector<std::string> order;
    std::set<std::string> placed;
    // The loader has refused cycles, so each round places at least one.
    for (size_t before = SIZE_MAX; before != order.size();) {
        before = order.size();
        for (auto& [name, service] : project.services) {
            bool ready = !placed.contains(name);
            for (auto& [other, dependency] : service.depends_on) ready &= placed.contains(other) || !project.services.contains(other);
            if (!ready) continue;
            order.push_back(name);
            placed.insert(name);
        }
    }
    return order;
}

Result<Plan> make_plan(const Project& project, const Observed& observed, const PlanOptions& options) { return Planner(project, observed, options).plan(); }

}  // namespace proa::compose
