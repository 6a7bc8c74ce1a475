#pragma once
#include "compose/create_request.h"

namespace proa::compose {

/// What HostConfig says about a service's volumes, secrets and configs.
struct ContainerMounts {
    std::vector<std::string> binds;  ///< sources that are made when they are missing: only this old form can ask for that
    std::vector<docker::MountRequest> mounts;
};
Result<ContainerMounts> container_mounts(const Project& project, const Service& service, const ContainerTraits& traits);

}  // namespace proa::compose
