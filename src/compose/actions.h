#pragma once
#include "compose/create_request.h"
#include "compose/engine_pool.h"
#include "compose/observe.h"
#include "compose/progress.h"

// What is done to one container of a project, with its report. Every function may run on any thread.
namespace proa::compose {

/// What all of them need.
struct Work {
    EnginePool& engines;
    const Report& report;
    Mapping proxies = {};             ///< config.json's proxy variables for new containers
    std::optional<int64_t> timeout = {};  ///< seconds to stop; unset: the container's own
    size_t limit = 0;                 ///< COMPOSE_PARALLEL_LIMIT, --parallel; 0: no bound
};

std::string subject_of(std::string_view container_name);

/// Creates it with its networks, secrets and configs, does not start it; its id. Nothing is reported.
Result<std::string> create_container(Work& work, const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find);
/// "Creating", "Created".
Result<std::string> create_with_report(Work& work, const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find);
/// Creates the new one under a name of its own, stops and removes the old one, gives its name to the new one: "Recreate", "Recreated".
Result<std::string> recreate_container(Work& work, const Project& project, const Service& service, const ProjectContainer& old, ContainerTraits traits,
                                       const FindContainers& find);

/// "Starting", "Started", and post_start hooks of the service when it is known.
Result<void> start_container(Work& work, const std::string& id, const std::string& name, const Service* service);
/// "Stopping", "Stopped"; pre_stop hooks before. One that does not run is left alone.
Result<void> stop_container(Work& work, const ProjectContainer& container, const Service* service);
Result<void> kill_container(Work& work, const ProjectContainer& container, const std::string& signal);
/// "Removing", "Removed"; `volumes` removes anonymous ones too.
Result<void> remove_container(Work& work, const ProjectContainer& container, bool force, bool volumes);

}  // namespace proa::compose
