#include <fcntl.h>

#include <set>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/compose_options.h"
#include "cli/table.h"
#include "client/images.h"
#include "compose/output.h"
#include "compose/variables.h"
#include "os/file.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"dry-run", 0, FlagType::Bool, "Execute command in dry run mode"},
    {"environment", 0, FlagType::Bool, "Print environment used for interpolation."},
    {"format", 0, FlagType::String, "Format the output. Values: [yaml | json]", "(default \"yaml\")", "yaml"},
    {"hash", 0, FlagType::String, "Print the service config hash, one per line."},
    {"images", 0, FlagType::Bool, "Print the image names, one per line."},
    {"lock-image-digests", 0, FlagType::Bool, "Produces an override file with image digests"},
    {"networks", 0, FlagType::Bool, "Print the network names, one per line."},
    {"no-consistency", 0, FlagType::Bool, "Don't check model consistency - warning: may produce invalid Compose output"},
    {"no-env-resolution", 0, FlagType::Bool, "Don't resolve service env files"},
    {"no-interpolate", 0, FlagType::Bool, "Don't interpolate environment variables"},
    {"no-normalize", 0, FlagType::Bool, "Don't normalize compose model"},
    {"no-path-resolution", 0, FlagType::Bool, "Don't resolve file paths"},
    {"output", 'o', FlagType::String, "Save to file (default to stdout)"},
    {"profiles", 0, FlagType::Bool, "Print the profile names, one per line."},
    {"quiet", 'q', FlagType::Bool, "Only validate the configuration, don't print anything"},
    {"resolve-image-digests", 0, FlagType::Bool, "Pin image tags to digests"},
    {"services", 0, FlagType::Bool, "Print the service names, one per line."},
    {"variables", 0, FlagType::Bool, "Print model variables and default values."},
    {"volumes", 0, FlagType::Bool, "Print the volume names, one per line."},
};

/// Everything of one call that the ways to print need.
struct Request {
    Invocation& call;
    compose::LoadOptions options;

    Result<compose::Project> project() { return load_compose_project(call, options); }
};

template <class T>
Result<int> print_keys(const std::map<std::string, T>& entries) {
    for (auto& [name, entry] : entries) put_line(name);
    return 0;
}

/// What a service depends on comes before it.
void print_in_order(const compose::Project& project, const std::string& name, std::set<std::string>& seen) {
    auto found = project.services.find(name);
    if (found == project.services.end() || !seen.insert(name).second) return;
    for (auto& [other, dependency] : found->second.depends_on) print_in_order(project, other, seen);
    put_line(name);
}

Result<int> print_services(Request& request) {
    auto project = TRY(request.project());
    std::set<std::string> seen;
    for (auto& [name, service] : project.services) print_in_order(project, name, seen);
    return 0;
}

Result<int> print_images(Request& request) {
    auto project = TRY(request.project());
    for (auto& [name, service] : project.services) put_line(compose::image_name(project, service));
    return 0;
}

Result<int> print_profiles(Request& request) {
    auto project = TRY(request.project());
    std::set<std::string> profiles;
    for (auto* services : {&project.services, &project.disabled_services})
        for (auto& [name, service] : *services) profiles.insert(service.profiles.begin(), service.profiles.end());
    for (auto& profile : profiles) put_line(profile);
    return 0;
}

Result<int> print_environment(Request& request) {
    auto project = TRY(request.project());
    for (auto& [name, value] : project.environment) put_line(concat(name, '=', value));
    return 0;
}

Result<int> print_hashes(Request& request, const std::string& wanted) {
    request.options.services.clear();  // the flag's value names the services
    auto project = TRY(request.project());
    std::vector<std::string> names = wanted == "*" ? std::vector<std::string>() : split(wanted, ',');
    if (wanted == "*")
        for (auto& [name, service] : project.services) names.push_back(name);
    std::sort(names.begin(), names.end());
    std::string lines;
    for (auto& name : names) {
        auto found = project.services.find(name);
        if (found == project.services.end()) return fail(ErrorKind::NotFound, concat("no such service: ", name, ": not found"));
        lines += concat(name, ' ', compose::config_hash(found->second), "\n");
    }
    put(lines);
    return 0;
}

void collect_variables(const json::Value& value, std::map<std::string, compose::Variable>& variables) {
    if (value.is_string()) compose::extract_variables(value.as_string(), variables);
    for (auto& item : value.as_array()) collect_variables(item, variables);
    for (auto& member : value.as_object()) collect_variables(member.value, variables);
}

Result<int> print_variables(Request& request) {
    request.options.interpolate = request.options.normalize = request.options.resolve_paths = false;
    auto tree = compose::load_tree(request.options);
    if (!tree) return fail(with_compose_code(tree.error()));
    std::map<std::string, compose::Variable> variables;
    collect_variables(*tree, variables);
    if (request.call.flags.text("format") == "json") {
        json::Object all;
        for (auto& [name, variable] : variables)
            all.set(name,
                    json::Object{
                        {"Name", name}, {"DefaultValue", variable.default_value}, {"PresenceValue", variable.presence_value}, {"Required", variable.required}});
        put_line(json::print(json::Value(std::move(all))));
        return 0;
    }
    std::string text = "NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE\n";
    for (auto& [name, variable] : variables) text += concat(name, '\t', variable.required, '\t', variable.default_value, '\t', variable.presence_value, "\n");
    put(align_columns(text, 20, 3));
    return 0;
}

/// Every image named by its digest, as the engine learns it from the registry.
Result<void> resolve_digests(Invocation& call, compose::Project& project) {
    for (auto& [name, service] : project.services) {
        if (service.image.empty()) continue;
        auto reference = TRY(oci::Reference::parse(service.image)).with_default_tag();
        if (!reference.digest.empty()) {
            reference.tag.clear();
            service.image = reference.text();
            continue;
        }
        client::Client& engine = *TRY(ready_engine(call));
        client::Call inspect{.path = concat("/distribution/", percent_encode(reference.text()), "/json")};
        if (std::string auth = client::registry_auth(call.session.config(), reference.domain); !auth.empty())
            inspect.headers.push_back({"X-Registry-Auth", auth});
        json::Value answer = TRY_WRAP("failed to resolve digest for " + reference.text(), engine.json(inspect));
        service.image = concat(reference.text(), '@', answer["Descriptor"]["digest"].as_string());
    }
    return {};
}

compose::Project images_only(const compose::Project& project) {
    compose::Project images;
    for (auto& [name, service] : project.services) images.services[name].image = service.image;
    return images;
}

Result<std::string> render(Request& request, const std::string& format) {
    auto& flags = request.call.flags;
    if (!request.options.interpolate) {
        auto tree = compose::load_tree(request.options);
        if (!tree) return fail(with_compose_code(tree.error()));
        return format == "json" ? compose::tree_json(*tree) : compose::tree_yaml(*tree);
    }
    auto project = TRY(request.project());
    bool lock = flags.is("lock-image-digests");
    if (lock || flags.is("resolve-image-digests")) TRY(resolve_digests(request.call, project));
    if (lock) project = images_only(project);
    return replace_all(format == "json" ? compose::project_json(project) : compose::project_yaml(project), "$", "$$");
}

Result<int> print_model(Request& request) {
    auto& flags = request.call.flags;
    std::string format = flags.text("format");
    if (format != "yaml" && format != "json") return fail(ErrorKind::InvalidArgument, concat("unsupported format ", quote(format)));
    std::string text = TRY(render(request, format));
    if (flags.is("quiet")) return 0;
    if (std::string file = flags.text("output"); !file.empty()) TRY(os::write_file(file, text, 0666));
    else put(text);
    return 0;
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    Request request{call, compose_load_options(call)};
    auto& options = request.options;
    options.services = call.arguments;
    options.check_consistency = !flags.is("no-consistency");
    options.interpolate = !flags.is("no-interpolate");
    options.normalize = !flags.is("no-normalize");
    options.resolve_paths = !flags.is("no-path-resolution");
    options.resolve_environment = !flags.is("no-env-resolution");
    if (flags.is("services")) return print_services(request);
    if (flags.is("volumes")) return print_keys(TRY(request.project()).volumes);
    if (flags.is("networks")) return print_keys(TRY(request.project()).networks);
    if (flags.changed("hash")) return print_hashes(request, flags.text("hash"));
    if (flags.is("profiles")) return print_profiles(request);
    if (flags.is("images")) return print_images(request);
    if (flags.is("variables")) return print_variables(request);
    if (flags.is("environment")) return print_environment(request);
    return print_model(request);
}
}  // namespace

const Command kComposeConfig = {"[OPTIONS] [SERVICE...]", "Parse, resolve and render compose file in canonical format", kFlags, {}, run};

}  // namespace proa::cli
