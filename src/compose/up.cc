#include "compose/up.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "compose/load.h"
#include "compose/resources.h"

namespace proa::compose {

namespace {
using Action = ContainerStep::Action;

/// One service at a time on each thread; what they observe of each other is behind the mutex.
class Builder {
public:
    Builder(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options)
        : work_(work), project_(project), observed_(observed), options_(options) {
        for (auto& service : plan.services) plans_[service.service] = &service;
    }

    Result<void> build_all() {
        return run_graph(service_graph(project_), work_.limit, [&](const std::string& name) { return build(*plans_.at(name)); });
    }

private:
    Result<void> build(const ServicePlan& plan) {
        auto& service = project_.services.at(plan.service);
        bool replaces = std::any_of(plan.steps.begin(), plan.steps.end(), [](auto& step) { return step.action == Action::Recreate; });
        if (replaces) TRY(stop_dependents(service.name));
        return run_parallel(plan.steps.size(), work_.limit, [&](size_t index) { return carry_out(service, plan.steps[index]); });
    }

    Result<void> carry_out(const Service& service, const ContainerStep& step) {
        switch (step.action) {
            case Action::Keep:
            case Action::Restart:  // already stopped, together with what it depends on
                if (step.running && step.action == Action::Keep) done(work_.report, subject_of(step.name), "Running");
                else if (!step.running) done(work_.report, subject_of(step.name), "Created");
                return {};
            case Action::Create: {
                auto traits = traits_of(service, step);
                std::string id = TRY(create_with_report(work_, project_, service, traits, finder()));
                add(service, traits, id);
                return {};
            }
            case Action::Recreate: {
                ProjectContainer old = container(step.id);
                auto traits = traits_of(service, step);
                if (options_.inherit_volumes) traits.inherited = old.summary["Mounts"];
                std::string id = TRY(recreate_container(work_, project_, service, old, traits, finder()));
                remove(step.id);
                add(service, traits, id);
                return {};
            }
            case Action::Remove: {
                ProjectContainer old = container(step.id);
                if (old.running()) TRY(stop_container(work_, old, &service));
                TRY(remove_container(work_, old, true, false));
                remove(step.id);
                return {};
            }
        }
        return {};
    }

    ContainerTraits traits_of(const Service& service, const ContainerStep& step) const {
        ContainerTraits traits{.name = step.name, .number = step.number};
        if (auto image = observed_.images.find(image_name(project_, service)); image != observed_.images.end()) {
            traits.image_id = image->second.id;
            traits.image_volumes = image->second.volumes;
        }
        return traits;
    }

    /// Those who want to know of a replacement (`restart: true`) are stopped before it; the start comes later, for all.
    Result<void> stop_dependents(const std::string& name) {
        std::vector<ProjectContainer> stop;
        for (auto& [other, service] : project_.services) {
            auto dependency = service.depends_on.find(name);
            if (dependency == service.depends_on.end() || !dependency->second.restart) continue;
            for (auto* each : finder()(other))
                if (each->running()) stop.push_back(*each);
        }
        TRY(run_parallel(stop.size(), work_.limit, [&](size_t index) { return stop_container(work_, stop[index], &project_.services.at(stop[index].service)); }));
        std::lock_guard lock(mutex_);
        for (auto& each : observed_.containers)
            for (auto& stopped : stop)
                if (each.id == stopped.id) each.state = "exited";
        return {};
    }

    /// Pointers stay good: containers are only added and removed by the service that they belong to, in a list of stable nodes.
    FindContainers finder() {
        return [this](const std::string& service) {
            std::lock_guard lock(mutex_);
            std::vector<const ProjectContainer*> found;
            for (auto& each : observed_.containers)
                if (each.service == service) {
                    snapshots_.push_back(std::make_unique<ProjectContainer>(each));
                    found.push_back(snapshots_.back().get());
                }
            return found;
        };
    }
    ProjectContainer container(const std::string& id) {
        std::lock_guard lock(mutex_);
        for (auto& each : observed_.containers)
            if (each.id == id) return each;
        return {};
    }
    void add(const Service& service, const ContainerTraits& traits, const std::string& id) {
        ProjectContainer made;
        made.id = id;
        made.name = traits.name;
        made.service = service.name;
        made.number = traits.number;
        made.state = "created";
        std::lock_guard lock(mutex_);
        observed_.containers.push_back(std::move(made));
    }
    void remove(const std::string& id) {
        std::lock_guard lock(mutex_);
        std::erase_if(observed_.containers, [&](auto& each) { return each.id == id; });
    }

    Work& work_;
    const Project& project_;
    Observed& observed_;
    const UpOptions& options_;
    std::map<std::string, const ServicePlan*> plans_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<ProjectContainer>> snapshots_;
};

bool chosen(const std::vector<std::string>& services, const std::string& name) {
    return services.empty() || std::find(services.begin(), services.end(), name) != services.end();
}
}  // namespace

Result<void> carry_out(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options) {
    TRY(create_networks(work.engines, project, plan, work.report));
    TRY(create_volumes(work.engines, project, plan, work.report));
    if (plan.removes_orphans) {
        std::vector<ProjectContainer> orphans;
        for (auto* orphan : plan.orphans) orphans.push_back(*orphan);
        TRY(run_parallel(orphans.size(), work.limit, [&](size_t index) -> Result<void> {
            if (orphans[index].running()) TRY(stop_container(work, orphans[index], nullptr));
            return remove_container(work, orphans[index], true, false);
        }));
    }
    return Builder(work, project, observed, plan, options).build_all();
}

StartOrder start_order(const Project& project) {
    StartOrder order{service_graph(project), {}};
    for (auto& [name, service] : project.services) order.dependencies[name] = dependencies_of(service);
    return order;
}

StartOrder start_order(const std::vector<ProjectContainer>& containers) {
    StartOrder order;
    for (auto& container : containers) {
        if (order.dependencies.contains(container.service)) continue;
        order.graph.tasks.push_back(container.service);
        auto& list = order.dependencies[container.service];
        for (auto& dependency : label_dependencies(container)) {
            order.graph.after[container.service].insert(dependency.service);
            list.push_back({dependency.service, dependency.condition, false});
        }
    }
    return order;
}

Result<void> start_services(Work& work, const Project* project, const StartOrder& order, const std::vector<ProjectContainer>& containers,
                            const std::vector<std::string>& services, int64_t deadline) {
    auto containers_of = [&](const std::string& name) {
        std::vector<ProjectContainer> found;
        for (auto& each : containers)
            if (each.service == name) found.push_back(each);
        return found;
    };
    return run_graph(order.graph, work.limit, [&](const std::string& name) -> Result<void> {
        if (!chosen(services, name)) return {};
        auto mine = containers_of(name);
        if (mine.empty()) return {};
        const Service* service = nullptr;
        if (project)
            if (auto found = project->services.find(name); found != project->services.end()) service = &found->second;
        if (auto found = order.dependencies.find(name); found != order.dependencies.end()) TRY(wait_for_dependencies(work, found->second, containers_of, deadline));
        return run_parallel(mine.size(), work.limit, [&](size_t index) -> Result<void> {
            if (mine[index].running()) return {};
            return start_container(work, mine[index].id, mine[index].name, service);
        });
    });
}

Result<void> wait_until_up(Work& work, const std::vector<ProjectContainer>& containers, const std::vector<std::string>& services, int64_t deadline) {
    std::vector<ProjectContainer> mine;
    for (auto& each : containers)
        if (chosen(services, each.service)) mine.push_back(each);
    return wait_for_condition(work, "", mine, "running_or_healthy", deadline);
}

}  // namespace proa::compose
