#include "compose/down.h"

#include <algorithm>

#include "base/text.h"
#include "compose/labels.h"
#include "compose/load.h"
#include "compose/parallel.h"
#include "compose/resources.h"

namespace proa::compose {

namespace {
const Service* find_service(const Project* project, const std::string& name) {
    if (!project) return nullptr;
    if (auto found = project->services.find(name); found != project->services.end()) return &found->second;
    if (auto found = project->disabled_services.find(name); found != project->disabled_services.end()) return &found->second;
    return nullptr;
}

bool known(const Project* project, const std::string& name) { return !project || find_service(project, name) != nullptr; }

/// Names and ids of the project's networks, by label, and those that the file names.
Result<std::vector<std::pair<std::string, std::string>>> networks_of(Work& work, const std::string& name, const Project* project) {
    auto engine = TRY(work.engines.take());
    client::Filters filters{{"label", {concat(kProjectLabel, '=', name)}}};
    json::Value answer = TRY(engine->json({.path = "/networks", .query = {{"filters", client::filters_text(filters)}}}));
    std::vector<std::pair<std::string, std::string>> list;
    for (auto& each : answer.as_array()) {
        bool external = false;
        if (project)
            for (auto& [key, network] : project->networks) external |= network.external && network.name == each["Name"].as_string();
        if (!external) list.emplace_back(each["Name"].as_string(), each["Id"].as_string());
    }
    return list;
}

Result<std::vector<std::string>> volumes_of(Work& work, const std::string& name, const Project* project) {
    std::vector<std::string> names;
    if (project) {
        for (auto& [key, volume] : project->volumes)
            if (!volume.external) names.push_back(volume.name);
        return names;
    }
    auto engine = TRY(work.engines.take());
    client::Filters filters{{"label", {concat(kProjectLabel, '=', name)}}};
    json::Value answer = TRY(engine->json({.path = "/volumes", .query = {{"filters", client::filters_text(filters)}}}));
    for (auto& each : answer["Volumes"].as_array()) names.push_back(each["Name"].as_string());
    return names;
}

/// --rmi: `local` images are those that have no name in the file.
Result<void> remove_images(Work& work, const std::string& name, const Project* project, const std::vector<ProjectContainer>& containers, DownOptions::Images which) {
    std::set<std::string> images;
    auto add = [&](const Service& service) {
        if (which == DownOptions::Images::All || (service.image.empty() && service.build)) images.insert(image_name(*project, service));
    };
    if (project) {
        for (auto& [key, service] : project->services) add(service);
    } else {
        for (auto& container : containers)
            if (which == DownOptions::Images::All || container.image.starts_with(name + "-")) images.insert(container.image);
    }
    std::vector<std::string> list(images.begin(), images.end());
    return run_parallel(list.size(), work.limit, [&](size_t index) -> Result<void> {
        std::string subject = concat("Image ", list[index].find(':') == std::string::npos ? list[index] + ":latest" : list[index]);
        working(work.report, subject, "Removing");
        auto engine = TRY(work.engines.take());
        auto removed = engine->text({.method = "DELETE", .path = concat("/images/", list[index])});
        if (removed) done(work.report, subject, "Removed");
        else if (removed.error().is(ErrorKind::NotFound)) work.report({subject, "Warning: No resource found to remove", ProgressEvent::State::Warning, {}});
        else if (removed.error().is(ErrorKind::Conflict)) work.report({subject, "Resource is still in use", ProgressEvent::State::Warning, {}});
        else {
            failed(work.report, subject, removed.error().message());
            return fail(removed.error());
        }
        return {};
    });
}
}  // namespace

Result<void> for_each_dependant_first(Work& work, const std::vector<ProjectContainer>& containers, const std::function<Result<void>(const ProjectContainer& container)>& act) {
    TaskGraph graph;
    std::map<std::string, std::vector<const ProjectContainer*>> by_service;
    for (auto& container : containers) {
        auto& list = by_service[container.service];
        if (list.empty()) graph.tasks.push_back(container.service);
        list.push_back(&container);
        for (auto& dependency : label_dependencies(container))
            if (dependency.service != container.service) graph.after[container.service].insert(dependency.service);
    }
    return run_graph(graph.reversed(), work.limit, [&](const std::string& service) {
        auto& list = by_service[service];
        return run_parallel(list.size(), work.limit, [&](size_t index) { return act(*list[index]); });
    });
}

Result<void> stop_containers(Work& work, const Project* project, const std::vector<ProjectContainer>& containers) {
    return for_each_dependant_first(work, containers, [&](const ProjectContainer& container) { return stop_container(work, container, find_service(project, container.service)); });
}

Result<void> take_down(Work& work, const std::string& name, const Project* project, const DownOptions& options) {
    auto engine = TRY(work.engines.take());
    auto containers = TRY(list_project_containers(*engine, {.project = name, .one_offs = options.remove_orphans ? OneOffs::With : OneOffs::Without}));
    bool whole = options.services.empty();
    std::erase_if(containers, [&](auto& each) {
        if (!whole) return std::find(options.services.begin(), options.services.end(), each.service) == options.services.end();
        return !options.remove_orphans && !known(project, each.service);
    });
    TRY(for_each_dependant_first(work, containers, [&](const ProjectContainer& container) -> Result<void> {
        TRY(stop_container(work, container, find_service(project, container.service)));
        return remove_container(work, container, true, options.volumes);
    }));
    auto networks = whole ? TRY(networks_of(work, name, project)) : std::vector<std::pair<std::string, std::string>>();
    auto volumes = whole && options.volumes ? TRY(volumes_of(work, name, project)) : std::vector<std::string>();
    if (whole && containers.empty() && networks.empty() && volumes.empty() && options.images == DownOptions::Images::None) {
        work.report({concat("Warning: No resource found to remove for project ", quote(name), "."), "", ProgressEvent::State::Warning, {}});
        return {};
    }
    TRY(run_parallel(3, 0, [&](size_t index) -> Result<void> {
        if (index == 0) return remove_networks(work.engines, networks, work.report);
        if (index == 1) return remove_volumes(work.engines, volumes, work.report);
        if (options.images == DownOptions::Images::None) return {};
        return remove_images(work, name, project, containers, options.images);
    }));
    return {};
}

}  // namespace proa::compose
