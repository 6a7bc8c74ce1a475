#pragma once
#include <optional>

#include "compose/observe.h"
#include "compose/parallel.h"
#include "compose/project.h"

// What `up` will do, worked out before anything is done: `compose plan` prints it, `up` carries it out.
namespace proa::compose {

enum class Recreate { Diverged, Always, Never };

struct PlanOptions {
    std::vector<std::string> services;  ///< asked for; empty: all of the project
    Recreate recreate = Recreate::Diverged;
    Recreate recreate_dependencies = Recreate::Diverged;
    std::map<std::string, int64_t> scale;  ///< --scale, before the file's own numbers
    bool remove_orphans = false;
};

struct ContainerStep {
    enum class Action {
        Create,
        Recreate,  ///< a new one takes over name, number and anonymous volumes
        Remove,    ///< too many
        Restart,   ///< what it depends on is replaced, and it wants to know
        Keep,
    };
    Action action = Action::Keep;
    std::string name;  ///< without the project's: as it will be
    int64_t number = 0;
    std::string id;  ///< of the container that is there
    bool running = false;
    std::vector<std::string> reasons;  ///< why: keys of the service, or words
};
struct ServicePlan {
    std::string service;
    std::vector<ContainerStep> steps;  ///< by number
    std::string missing_image;         ///< its image, when the engine has not got it
};
struct Plan {
    std::vector<std::string> networks, volumes;    ///< keys that will be made
    std::vector<ServicePlan> services;             ///< in dependency order
    std::vector<const ProjectContainer*> orphans;  ///< of the observation; removed with remove_orphans
    bool removes_orphans = false;
    std::vector<std::string> warnings;

    /// Nothing to create, replace, remove or start.
    bool empty() const;
};

/// Services of the project with what each comes after.
TaskGraph service_graph(const Project& project);
/// The same in an order that can be walked.
std::vector<std::string> in_dependency_order(const Project& project);
/// `scale` of the options, else the file's.
int64_t wanted_count(const Service& service, const PlanOptions& options);

/// `observed` must outlive the plan.
/// Errors: NotFound for an external network or volume that is not there; InvalidArgument for --scale of a service with a fixed name.
Result<Plan> make_plan(const Project& project, const Observed& observed, const PlanOptions& options);

/// The plan as text: a line a step, and a sum.
std::string plan_text(const Plan& plan, const Project& project);
/// The same for programs.
json::Value plan_json(const Plan& plan, const Project& project);

}  // namespace proa::compose
