#include "compose/load.h"

#include <unistd.h>

#include "base/text.h"
#include "codec/yaml/parse.h"
#include "compose/tree.h"
#include "os/file.h"

extern char** environ;

namespace proa::compose {

namespace {
/// What is not resolved here has to be refused, not passed through.
Result<void> refuse_unresolved(const yaml::Node& node, const std::string& path) {
    if (node.is_text() && node.text.find('$') != std::string::npos)
        return fail(ErrorKind::Unsupported, concat(path, ": variables are not supported yet: ", node.text));
    if (!node.tag.empty()) return fail(ErrorKind::Unsupported, concat(path, ": tag ", node.tag, " is not supported yet"));
    for (auto& item : node.items) TRY(refuse_unresolved(item, path + "[]"));
    for (auto& member : node.members) {
        std::string below = path.empty() ? member.key : concat(path, '.', member.key);
        if (member.key == "extends" || member.key == "include") return fail(ErrorKind::Unsupported, below + " is not supported yet");
        TRY(refuse_unresolved(member.value, below));
    }
    return {};
}

template <class T>
Result<void> read_section(const json::Value& file, std::string_view section, std::map<std::string, T>& target) {
    for (auto& member : file[section].as_object()) TRY_WRAP(concat(section, '.', member.name), json::decode(member.value, target[member.name]));
    return {};
}
}  // namespace

Mapping process_environment() {
    Mapping variables;
    for (char** entry = environ; *entry; ++entry)
        if (auto parts = cut(*entry, "=")) variables.emplace(parts->first, parts->second);
    return variables;
}

Result<Project> load_project(const LoadOptions& options) {
    if (options.files.size() != 1) return fail(ErrorKind::Unsupported, "exactly one file in compose's normalised form is supported yet, named by -f");
    char directory[4096];
    if (!::getcwd(directory, sizeof directory)) return fail_errno("getcwd");
    Project project;
    std::string path = options.files[0].starts_with("/") ? os::clean_path(options.files[0]) : os::join_path(directory, options.files[0]);
    auto documents = TRY(yaml::parse(TRY(os::read_file(path))));
    if (documents.size() != 1 || !documents[0].is_mapping()) return fail(ErrorKind::InvalidArgument, "Top-level object must be a mapping");
    TRY(refuse_unresolved(documents[0], ""));
    json::Value file = to_json(documents[0]);
    project.name = options.project_name.empty() ? file["name"].as_string() : options.project_name;
    if (project.name.empty()) return fail(ErrorKind::InvalidArgument, "project name must not be empty");
    project.working_dir = os::directory_of(path);
    project.compose_files = {path};
    project.environment = options.process_environment;
    TRY(read_section(file, "services", project.services));
    for (auto& [name, service] : project.services) service.name = name;
    TRY(read_section(file, "networks", project.networks));
    TRY(read_section(file, "volumes", project.volumes));
    TRY(read_section(file, "secrets", project.secrets));
    TRY(read_section(file, "configs", project.configs));
    return project;
}

}  // namespace proa::compose
