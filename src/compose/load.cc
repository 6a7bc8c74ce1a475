#include "compose/load.h"

#include "base/text.h"
#include "compose/bind.h"
#include "compose/consistency.h"
#include "compose/discovery.h"
#include "compose/normalize.h"
#include "compose/service_files.h"
#include "codec/yaml/to_json.h"

namespace proa::compose {

namespace {
/// The merged model and what was found on the way.
struct Loaded {
    Context context;
    Sources sources;
    std::string name;
    yaml::Node model;
};

Result<Loaded> load_files(const LoadOptions& options) {
    Loaded loaded;
    loaded.context.interpolated = options.interpolate;
    loaded.sources = TRY(find_sources(loaded.context, options));
    auto& sources = loaded.sources;
    // The project's own name is a variable for its files; whether the files name it has to be known before they are interpolated.
    loaded.name = TRY(find_project_name(loaded.context, sources, options));
    sources.environment["COMPOSE_PROJECT_NAME"] = loaded.name;
    ModelOptions model_options{sources.working_dir, sources.working_dir, sources.environment, options.interpolate, options.resolve_paths};
    loaded.model = TRY(load_model(loaded.context, sources.files, model_options));
    if (loaded.model.members.empty()) return fail(ErrorKind::InvalidArgument, "empty compose file");
    if (options.normalize) normalize(loaded.model, loaded.name, sources.environment);
    return loaded;
}

template <class T>
Result<void> read_section(const json::Value& bound, std::string_view section, std::map<std::string, T>& target) {
    for (auto& member : bound[section].as_object()) {
        auto read = json::decode(member.value, target[member.name]);
        if (!read) return fail(Error(read.error()).wrap(concat("decoding ", section, '.', member.name)));
    }
    return {};
}

Result<Project> to_project(Loaded& loaded, const LoadOptions& options) {
    json::Value bound = TRY(bind_model(loaded.context, loaded.model));
    Project project;
    project.name = loaded.name;
    project.working_dir = loaded.sources.working_dir;
    for (auto& file : loaded.sources.files) project.compose_files.push_back(file.path);
    project.env_files = loaded.sources.env_files;
    project.environment = loaded.sources.environment;
    project.profiles = loaded.sources.profiles;
    TRY(read_section(bound, "services", project.services));
    TRY(read_section(bound, "networks", project.networks));
    TRY(read_section(bound, "volumes", project.volumes));
    TRY(read_section(bound, "secrets", project.secrets));
    TRY(read_section(bound, "configs", project.configs));
    project.extensions = bound["#extensions"];
    for (auto& [name, service] : project.services) service.name = name;
    for (auto* objects : {&project.secrets, &project.configs})
        for (auto& [name, object] : *objects) {
            if (object.environment.empty()) continue;
            auto found = project.environment.find(object.environment);
            object.known = found != project.environment.end();
            if (object.known) object.content = found->second;
        }
    enable_by_profiles(project, project.profiles);
    if (options.check_consistency) TRY(check_consistency(loaded.context, project, loaded.model));
    for (auto& [name, service] : project.services)
        if (service.scale && service.deploy) service.deploy->replicas = service.scale;
    return project;
}
}  // namespace

void enable_by_profiles(Project& project, const std::vector<std::string>& profiles) {
    std::map<std::string, Service> all = std::move(project.services);
    all.merge(project.disabled_services);
    project.services.clear();
    project.disabled_services.clear();
    project.profiles = profiles;
    for (auto& [name, service] : all) (has_profile(service, profiles) ? project.services : project.disabled_services).emplace(name, std::move(service));
}

Result<Project> load_project(const LoadOptions& options) {
    Loaded loaded = TRY(load_files(options));
    TRY(check_host(loaded.context, loaded.model));
    Project project = TRY(to_project(loaded, options));
    auto finish = [&](Project& whole) -> Result<void> {
        if (options.resolve_environment) TRY(read_service_files(loaded.context, whole, loaded.model, options.keep_env_files));
        return {};
    };
    TRY(finish(project));
    if (!options.services.empty()) project = TRY(select_services(std::move(project), options.services));
    TRY(finish(project));
    if (!options.keep_unused_resources) drop_unused_resources(project);
    project.warnings = std::move(loaded.context.warnings);
    return project;
}

Result<json::Value> load_tree(const LoadOptions& options) {
    Loaded loaded = TRY(load_files(options));
    if (!options.normalize) loaded.model.erase("name");
    return to_json(loaded.model);
}

}  // namespace proa::compose
