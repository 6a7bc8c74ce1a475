#include "compose/project.h"

#include "compose/load.h"

namespace proa::compose {

int64_t Service::replicas() const {
    if (scale) return *scale;
    return deploy && deploy->replicas ? *deploy->replicas : 1;
}

bool has_profile(const Service& service, const std::vector<std::string>& profiles) {
    if (service.profiles.empty()) return true;
    for (auto& active : profiles) {
        if (active == "*") return true;
        for (auto& profile : service.profiles)
            if (profile == active) return true;
    }
    return false;
}

std::string image_name(const Project& project, const Service& service) { return service.image.empty() ? project.name + project.separator + service.name : service.image; }

}  // namespace proa::compose
