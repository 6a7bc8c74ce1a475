#include <set>

#include "base/text.h"
#include "compose/load.h"
#include "compose/service_files.h"

namespace proa::compose {

namespace {
Result<void> reach(const Project& project, const std::string& name, bool required, std::set<std::string>& reached) {
    auto found = project.services.find(name);
    if (found == project.services.end()) return required ? Result<void>(fail(ErrorKind::NotFound, "no such service: " + name)) : Result<void>();
    if (!reached.insert(name).second) return {};
    for (auto& [other, dependency] : found->second.depends_on) TRY(reach(project, other, dependency.required, reached));
    return {};
}

template <class T>
void keep_only(std::map<std::string, T>& resources, const std::set<std::string>& used) {
    std::erase_if(resources, [&](auto& entry) { return !used.contains(entry.first); });
}
}  // namespace

Result<Project> select_services(Project project, const std::vector<std::string>& names) {
    if (names.empty()) return project;
    std::vector<std::string> profiles = project.profiles;
    bool more = false;
    for (auto& name : names)
        if (auto found = project.disabled_services.find(name); found != project.disabled_services.end()) {
            profiles.insert(profiles.end(), found->second.profiles.begin(), found->second.profiles.end());
            more = true;
        }
    if (more) enable_by_profiles(project, profiles);
    std::set<std::string> reached;
    for (auto& name : names) TRY(reach(project, name, true, reached));
    for (auto it = project.services.begin(); it != project.services.end();) {
        if (reached.contains(it->first)) {
            std::erase_if(it->second.depends_on, [&](auto& entry) { return !reached.contains(entry.first); });
            ++it;
        } else {
            project.disabled_services.insert(project.services.extract(it++));
        }
    }
    return project;
}

void drop_unused_resources(Project& project) {
    std::set<std::string> networks, volumes, secrets, configs;
    for (auto& [name, service] : project.services) {
        for (auto& [network, settings] : service.networks) networks.insert(network);
        for (auto& mount : service.volumes)
            if (mount.type == "volume") volumes.insert(mount.source);
        for (auto& secret : service.secrets) secrets.insert(secret.source);
        if (service.build)
            for (auto& secret : service.build->secrets) secrets.insert(secret.source);
        for (auto& config : service.configs) configs.insert(config.source);
    }
    keep_only(project.networks, networks);
    keep_only(project.volumes, volumes);
    keep_only(project.secrets, secrets);
    keep_only(project.configs, configs);
}

}  // namespace proa::compose
