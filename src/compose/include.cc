#include "base/text.h"
#include "compose/env_file.h"
#include "compose/model.h"
#include "compose/paths.h"
#include "os/file.h"

namespace proa::compose {

namespace {
using yaml::Node;

/// One entry of `include`.
struct Inclusion {
    std::vector<std::string> paths, env_files;
    std::string project_directory;
    yaml::Mark mark;
};

std::vector<std::string> texts_of(const Node* node) {
    if (!node) return {};
    if (node->is_text()) return {node->text};
    std::vector<std::string> texts;
    for (auto& item : node->items) texts.push_back(item.text);
    return texts;
}

Result<std::vector<Inclusion>> read_inclusions(const Context& context, const Node& include) {
    if (!include.is_sequence() && !include.is_null()) return context.fail_at(include.mark, concat("`include` must be a list, got ", include.scalar_text()));
    std::vector<Inclusion> all;
    for (auto& item : include.items) {
        Inclusion one{.mark = item.mark};
        if (item.is_text()) {
            one.paths = {item.text};
        } else if (item.is_mapping()) {
            one.paths = texts_of(item.find("path"));
            one.env_files = texts_of(item.find("env_file"));
            one.project_directory = item.text_at("project_directory");
        }
        if (one.paths.empty()) return context.fail_at(item.mark, "include: each entry needs a path");
        all.push_back(std::move(one));
    }
    return all;
}

Result<void> import(const Context& context, Node& model, Node& included, const char* section) {
    Node* from = included.find(section);
    if (!from || !from->is_mapping()) return {};
    Node* to = model.find(section);
    if (!to || !to->is_mapping()) to = &model.set(section, Node::mapping(from->mark));
    for (auto& member : from->members) {
        Node* there = to->find(member.key);
        if (there && !there->same_value(member.value))
            return context.fail_at(there->mark, concat(section, '.', member.key, " conflicts with imported resource"));
        if (!there) to->set(member.key, std::move(member.value));
    }
    return {};
}

/// The env files of an inclusion, absolute; without any named ones the .env of its directory.
Result<std::vector<std::string>> env_files_of(const Context& context, const Inclusion& one, const std::string& directory, const ModelOptions& options) {
    if (one.env_files.empty()) {
        std::string path = os::join_path(directory, ".env");
        return os::exists(path) && !os::is_directory(path) ? std::vector{path} : std::vector<std::string>();
    }
    std::vector<std::string> files;
    for (auto& file : one.env_files) {
        std::string path = file[0] == '/' ? file : os::join_path(options.directory, file);
        auto status = os::status(path);
        if (!status) return fail(with_place(Error(ErrorKind::NotFound, concat("stat ", path, ": no such file or directory")), context.place(one.mark)));
        if (S_ISDIR(status->st_mode)) return context.fail_at(one.mark, concat(path, " is not a file"));
        files.push_back(path);
    }
    return files;
}

Result<Node> load_inclusion(Context& context, const Inclusion& one, const ModelOptions& options, const std::vector<std::string>& included) {
    std::vector<ModelFile> files;
    for (auto& path : one.paths) files.push_back({path[0] == '/' ? os::clean_path(path) : os::join_path(options.directory, path), std::nullopt});
    for (auto& seen : included)
        if (seen == files[0].path) {
            std::vector<std::string> rest(included.begin() + 1, included.end());
            rest.push_back(files[0].path);
            return context.fail_at(one.mark, concat("include cycle detected:\n", included[0], "\n include ", join(rest, "\n include ")));
        }
    ModelOptions inner = options;
    inner.resolve_paths = true;
    inner.directory = one.project_directory.empty()     ? os::directory_of(files[0].path)
                      : one.project_directory[0] == '/' ? os::clean_path(one.project_directory)
                                                        : os::join_path(options.directory, one.project_directory);
    if (!one.project_directory.empty() && one.project_directory[0] == '/') inner.working_dir = inner.directory;
    else inner.working_dir = relative_path(options.directory, os::is_directory(inner.directory) ? inner.directory : os::directory_of(inner.directory));
    auto unset = [&](std::string_view name) { context.warn(one.mark, concat("The ", quote(name), " variable is not set. Defaulting to a blank string.")); };
    Mapping values = TRY(read_env_files(TRY(env_files_of(context, one, inner.directory, options)), options.environment, unset));
    inner.environment.merge(values);
    for (auto& file : files)
        if (!os::exists(file.path))
            return fail(with_place(Error(ErrorKind::NotFound, concat("open ", file.path, ": no such file or directory")), context.place(one.mark)));
    return load_model(context, files, inner, included);
}
}  // namespace

Result<void> apply_include(Context& context, Node& model, const ModelOptions& options, std::vector<std::string>& included) {
    Node* include = model.find("include");
    if (!include) return {};
    auto inclusions = TRY(read_inclusions(context, *include));
    for (auto& one : inclusions) {
        Node loaded = TRY(load_inclusion(context, one, options, included));
        for (auto* section : {"services", "volumes", "networks", "secrets", "configs"}) TRY(import(context, model, loaded, section));
    }
    model.erase("include");
    return {};
}

}  // namespace proa::compose
