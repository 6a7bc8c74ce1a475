#pragma once
#include "compose/actions.h"

// Stopping and removing, the other way round: what depends on others ends first.
namespace proa::compose {

struct DownOptions {
    std::vector<std::string> services;  ///< empty: the whole project with its networks
    bool remove_orphans = false;
    bool volumes = false;               ///< anonymous ones, and those that the file names
    enum class Images { None, Local, All };
    Images images = Images::None;
};

/// `project` is nullptr when there is no file: then the labels tell what belongs to `name`. What is not there is only a warning of the report.
Result<void> take_down(Work& work, const std::string& name, const Project* project, const DownOptions& options);

/// Stops containers in the order that their labels ask for.
Result<void> stop_containers(Work& work, const Project* project, const std::vector<ProjectContainer>& containers);

/// Works on containers by service, dependants first.
Result<void> for_each_dependant_first(Work& work, const std::vector<ProjectContainer>& containers, const std::function<Result<void>(const ProjectContainer& container)>& act);

}  // namespace proa::compose
