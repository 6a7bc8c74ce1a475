#include "compose/service_files.h"

#include "base/text.h"
#include "compose/env_file.h"
#include "os/file.h"

namespace proa::compose {

namespace {
std::optional<std::string> value_in(const Mapping& mapping, std::string_view name) {
    auto found = mapping.find(std::string(name));
    return found == mapping.end() ? std::nullopt : std::optional(found->second);
}

Result<Mapping> read_values(Context& context, const std::string& path, const std::string& format, const Lookup& lookup) {
    if (!format.empty() && format != "raw") return fail(ErrorKind::InvalidArgument, concat("unsupported env_file format ", quote(format)));
    std::string text = TRY(os::read_file(path));
    if (format == "raw") return TRY_WRAP("failed to read " + path, parse_raw_env_file(text, lookup));
    auto unset = [&](std::string_view name) { context.warn({}, concat("The ", quote(name), " variable is not set. Defaulting to a blank string.")); };
    return TRY_WRAP("failed to read " + path, parse_env_file(text, lookup, unset));
}

Unexpected missing(std::string_view what, const std::string& path) {
    return fail(ErrorKind::NotFound, concat(what, " file ", path, " not found: stat ", path, ": no such file or directory"));
}

Result<void> read_environment(Context& context, const Project& project, Service& service, bool keep_entries) {
    for (auto& [name, value] : service.environment)
        if (!value) value = value_in(project.environment, name);
    Mapping read;
    auto lookup = [&](std::string_view name) {
        auto found = value_in(read, name);
        return found ? found : value_in(project.environment, name);
    };
    for (auto& file : service.env_file) {
        if (!os::exists(file.path)) {
            if (file.required) return missing("env", file.path);
            continue;
        }
        for (auto& [name, value] : TRY(read_values(context, file.path, file.format, lookup))) read[name] = value;
    }
    for (auto& [name, value] : read) service.environment.emplace(name, value);
    if (!keep_entries) service.env_file.clear();
    return {};
}

Result<void> read_labels(Context& context, Service& service, bool keep_entries) {
    Mapping read;
    auto lookup = [&](std::string_view name) { return value_in(read, name); };
    for (auto& path : service.label_file) {
        if (!os::exists(path)) return missing("label", path);
        for (auto& [name, value] : TRY(read_values(context, path, "", lookup))) read[name] = value;
    }
    for (auto& [name, value] : read) service.labels.emplace(name, value);
    if (!keep_entries) service.label_file.clear();
    return {};
}
}  // namespace

Result<void> read_service_files(Context& context, Project& project, const yaml::Node& model, bool keep_entries) {
    auto* services = model.find("services");
    auto at = [&](const std::string& name, const char* key) {
        auto* service = services ? services->find(name) : nullptr;
        auto* entry = service ? service->find(key) : nullptr;
        return context.place(entry ? entry->mark : yaml::Mark());
    };
    for (auto& [name, service] : project.services) {
        auto environment = read_environment(context, project, service, keep_entries);
        if (!environment) return fail(with_place(environment.error(), at(name, "env_file")));
        auto labels = read_labels(context, service, keep_entries);
        if (!labels) return fail(with_place(labels.error(), at(name, "label_file")));
    }
    return {};
}

}  // namespace proa::compose
