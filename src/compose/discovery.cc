#include "compose/discovery.h"

#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "codec/yaml/parse.h"
#include "compose/env_file.h"
#include "compose/interpolate.h"
#include "os/file.h"

extern char** environ;

namespace proa::compose {

namespace {
constexpr const char* kNames[] = {"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"};
constexpr const char* kOverrideNames[] = {"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"};

Unexpected no_file() { return fail(ErrorKind::NotFound, "no configuration file provided: not found"); }

Result<std::string> current_directory() {
    char directory[4096];
    if (!::getcwd(directory, sizeof directory)) return fail_errno("getcwd");
    return std::string(directory);
}

std::string absolute(const std::string& here, const std::string& path) { return path.starts_with('/') ? os::clean_path(path) : os::join_path(here, path); }

std::string variable(const Mapping& environment, const std::string& name) {
    auto found = environment.find(name);
    return found == environment.end() ? "" : found->second;
}

/// The first of the names that stand in the directory; more than one is worth a warning.
std::string pick(Context& context, const std::string& directory, std::span<const char* const> names, std::string_view what) {
    std::vector<std::string> found;
    for (auto* name : names)
        if (std::string path = os::join_path(directory, name); os::exists(path)) found.push_back(path);
    if (found.empty()) return "";
    if (found.size() > 1) {
        context.warn({}, concat("Found multiple ", what, " files with supported names: ", join(found, ", ")));
        context.warn({}, concat("Using ", found[0]));
    }
    return found[0];
}

Result<std::vector<std::string>> named_files(const std::vector<std::string>& names, const std::string& here) {
    std::vector<std::string> paths;
    for (auto& name : names) {
        if (name == "-") {
            paths.push_back(name);
            continue;
        }
        if (name.starts_with("oci://") || name.find("://") != name.npos || name.starts_with("git@"))
            return fail(ErrorKind::Unsupported, concat("remote compose files are not supported: ", name));
        paths.push_back(absolute(here, name));
        if (!os::exists(paths.back())) return fail(ErrorKind::NotFound, concat("open ", paths.back(), ": no such file or directory"));
    }
    return paths;
}

/// From the project directory upwards.
Result<std::vector<std::string>> search_files(Context& context, std::string directory) {
    for (;;) {
        if (std::string path = pick(context, directory, kNames, "config"); !path.empty()) {
            std::vector<std::string> paths = {path};
            if (std::string over = pick(context, directory, kOverrideNames, "override"); !over.empty()) paths.push_back(over);
            return paths;
        }
        if (directory == "/") return no_file();
        directory = os::directory_of(directory);
    }
}

/// -f, else COMPOSE_FILE of the process or of the env files, else what is there.
Result<std::vector<std::string>> find_files(Context& context, const LoadOptions& options, const Mapping& environment, const std::string& here) {
    if (!options.files.empty()) return named_files(options.files, here);
    if (std::string listed = variable(environment, "COMPOSE_FILE"); !listed.empty()) {
        std::string separator = variable(environment, "COMPOSE_PATH_SEPARATOR");
        if (separator.empty()) separator = ":";
        std::vector<std::string> names;
        std::string_view rest = listed;
        while (auto parts = cut(rest, separator)) {
            names.emplace_back(parts->first);
            rest = parts->second;
        }
        names.emplace_back(rest);
        return named_files(names, here);
    }
    return search_files(context, options.project_directory.empty() ? here : absolute(here, options.project_directory));
}

std::string directory_of_files(const std::vector<std::string>& paths, const std::string& here) {
    for (auto& path : paths)
        if (path != "-") return os::directory_of(path);
    return here;
}

Result<void> read_project_environment(Context& context, const LoadOptions& options, const std::string& directory, const std::string& here, Sources& sources) {
    std::vector<std::string> named = options.env_files;
    if (named.empty()) named = split_nonempty(variable(options.process_environment, "COMPOSE_ENV_FILES"), ',');
    for (auto& name : named) sources.env_files.push_back(absolute(here, name));
    std::vector<std::string> files = sources.env_files;
    std::string disabled = variable(options.process_environment, "COMPOSE_DISABLE_ENV_FILE");
    if (!disabled.empty() && !parse_bool(disabled))
        return fail(ErrorKind::InvalidArgument, concat("strconv.ParseBool: parsing ", quote(disabled), ": invalid syntax"));
    if (std::string path = os::join_path(directory, ".env");
        files.empty() && !parse_bool(disabled).value_or(false) && os::exists(path) && !os::is_directory(path))
        files.push_back(path);
    auto unset = [&](std::string_view name) { context.warn({}, concat("The ", quote(name), " variable is not set. Defaulting to a blank string.")); };
    sources.environment = options.process_environment;
    sources.environment.merge(TRY(read_env_files(files, options.process_environment, unset)));
    return {};
}

std::string normal_name(std::string_view text) {
    std::string name;
    for (char c : to_lower(text))
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-') name.push_back(c);
    size_t start = name.find_first_not_of("_-");
    return start == name.npos ? "" : name.substr(start);
}

Result<std::string> valid_name(const std::string& name) {
    if (normal_name(name) == name) return name;
    return fail(ErrorKind::InvalidArgument,
                concat("invalid project name ", quote(name),
                       ": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"));
}

/// `name:` of the last document that has one; what cannot be parsed is reported later.
yaml::Node name_in_files(const Sources& sources) {
    yaml::Node name;
    for (auto& file : sources.files)
        if (auto documents = yaml::parse(*file.content))
            for (auto& document : *documents)
                if (auto* found = document.find("name"); found && !found->scalar_text().empty() && !found->is_null())
                    name = yaml::Node::of_text(found->scalar_text(), found->mark);
    return name;
}
}  // namespace

Mapping process_environment() {
    Mapping variables;
    for (char** entry = environ; *entry; ++entry)
        if (auto parts = cut(*entry, "=")) variables.emplace(parts->first, parts->second);
    return variables;
}

Result<std::string> read_compose_file(const std::string& path) {
    if (path != "-") {
        auto content = os::read_file(path);
        if (content || !content.error().is(ErrorKind::NotFound)) return content;
        return fail(ErrorKind::NotFound, concat("open ", path, ": no such file or directory"));
    }
    std::string content;
    char buffer[16384];
    for (;;) {
        ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read", "standard input");
        if (count == 0) return content;
        content.append(buffer, static_cast<size_t>(count));
    }
}

Result<Sources> find_sources(Context& context, const LoadOptions& options) {
    Sources sources;
    std::string here = TRY(current_directory());
    // .env may name the files, so where it stands has to be known before them.
    std::string directory = !options.project_directory.empty()                 ? absolute(here, options.project_directory)
                            : options.files.empty() || options.files[0] == "-" ? here
                                                                               : os::directory_of(absolute(here, options.files[0]));
    TRY(read_project_environment(context, options, directory, here, sources));
    auto paths = TRY(find_files(context, options, sources.environment, here));
    sources.working_dir = options.project_directory.empty() ? directory_of_files(paths, here) : absolute(here, options.project_directory);
    if (sources.working_dir != directory && options.project_directory.empty()) {
        Sources again;  // found in a directory above, or by COMPOSE_FILE of .env: its own .env counts
        TRY(read_project_environment(context, options, sources.working_dir, here, again));
        for (auto& [name, value] : again.environment) sources.environment.emplace(name, value);
    }
    for (auto& path : paths) sources.files.push_back({path, TRY(read_compose_file(path))});
    sources.profiles = options.profiles;
    if (sources.profiles.empty())
        for (auto& profile : split_nonempty(variable(sources.environment, "COMPOSE_PROFILES"), ',')) sources.profiles.emplace_back(trim(profile));
    return sources;
}

Result<std::string> find_project_name(Context& context, const Sources& sources, const LoadOptions& options) {
    if (!options.project_name.empty()) return valid_name(options.project_name);
    if (std::string name = variable(sources.environment, "COMPOSE_PROJECT_NAME"); !name.empty()) return valid_name(name);
    yaml::Node written = name_in_files(sources);
    std::string name;
    if (written.is_text()) {
        yaml::Node model = yaml::Node::mapping();
        model.set("name", written);
        auto lookup = [&](std::string_view key) -> std::optional<std::string> {
            auto found = sources.environment.find(std::string(key));
            return found == sources.environment.end() ? std::nullopt : std::optional(found->second);
        };
        if (options.interpolate) TRY(interpolate(context, model, lookup));
        name = normal_name(model.text_at("name"));
    } else {
        name = normal_name(os::base_name(sources.working_dir));
    }
    if (name.empty()) return fail(ErrorKind::InvalidArgument, "project name must not be empty");
    return name;
}

}  // namespace proa::compose
