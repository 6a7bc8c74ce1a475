#include "compose/observe.h"

#include <mutex>

#include "base/text.h"
#include "client/images.h"
#include "compose/load.h"
#include "compose/parallel.h"

namespace proa::compose {

namespace {
Result<std::optional<ObservedImage>> observe_image(EnginePool& engines, const std::string& name) {
    auto engine = TRY(engines.take());
    auto text = client::inspect_image_text(*engine, name);
    if (!text && text.error().is(ErrorKind::NotFound)) return std::nullopt;
    if (!text) return fail(text.error());
    json::Value image = TRY(json::parse(*text));
    return ObservedImage{image["Id"].as_string(), image["Config"]["Volumes"]};
}

std::map<std::string, json::Value> by_name(const json::Value& list) {
    std::map<std::string, json::Value> named;
    for (auto& each : list.as_array()) named[each["Name"].as_string()] = each;
    return named;
}
}  // namespace

std::vector<const ProjectContainer*> Observed::of_service(const std::string& service) const {
    std::vector<const ProjectContainer*> found;
    for (auto& container : containers)
        if (container.service == service) found.push_back(&container);
    return found;
}

Result<std::map<std::string, ObservedImage>> observe_images(EnginePool& engines, const std::set<std::string>& names) {
    std::vector<std::string> list(names.begin(), names.end());
    std::map<std::string, ObservedImage> images;
    std::mutex mutex;
    TRY(run_parallel(list.size(), 0, [&](size_t index) -> Result<void> {
        auto image = TRY(observe_image(engines, list[index]));
        std::lock_guard lock(mutex);
        if (image) images[list[index]] = std::move(*image);
        return {};
    }));
    return images;
}

Result<Observed> observe(EnginePool& engines, const Project& project) {
    Observed observed;
    std::set<std::string> names;
    for (auto& [key, service] : project.services) names.insert(image_name(project, service));
    {
        auto engine = TRY(engines.take());  // the version is agreed on before the others begin
    }
    TRY(run_parallel(4, 0, [&](size_t index) -> Result<void> {
        if (index == 3) {
            observed.images = TRY(observe_images(engines, names));
            return {};
        }
        auto engine = TRY(engines.take());
        if (index == 0) observed.containers = TRY(list_project_containers(*engine, {.project = project.name}));
        if (index == 1) observed.networks = by_name(TRY(engine->json({.path = "/networks"})));
        if (index == 2) observed.volumes = by_name(TRY(engine->json({.path = "/volumes"}))["Volumes"]);
        return {};
    }));
    return observed;
}

}  // namespace proa::compose
