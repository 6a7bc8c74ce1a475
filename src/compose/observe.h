#pragma once
#include <set>

#include "compose/containers.h"
#include "compose/engine_pool.h"
#include "compose/project.h"

namespace proa::compose {

/// What an image is now.
struct ObservedImage {
    std::string id;
    json::Value volumes;  ///< Config.Volumes
};

/// What the engine has of a project.
struct Observed {
    std::vector<ProjectContainer> containers;     ///< without one-off ones
    std::map<std::string, ObservedImage> images;  ///< by the name that services use; missing ones are not in it
    std::map<std::string, json::Value> networks;  ///< by the engine's name, whoever made them
    std::map<std::string, json::Value> volumes;

    std::vector<const ProjectContainer*> of_service(const std::string& service) const;
};
/// Asks for all of it side by side.
Result<Observed> observe(EnginePool& engines, const Project& project);
/// The images of the services alone.
Result<std::map<std::string, ObservedImage>> observe_images(EnginePool& engines, const std::set<std::string>& names);

}  // namespace proa::compose
