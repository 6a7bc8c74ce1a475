#include "compose/model.h"

#include "base/text.h"
#include "codec/yaml/parse.h"
#include "compose/canonical.h"
#include "compose/interpolate.h"
#include "compose/merge.h"
#include "compose/paths.h"
#include "compose/shape.h"
#include "os/file.h"

namespace proa::compose {

namespace {
using yaml::Node;

void collect_at(Node& node, const Path& path, Resets& resets) {
    std::vector<Node> items;
    for (auto& item : node.items) {
        if (item.tag == "!reset") continue;
        collect_at(item, path.next("[]"), resets);
        items.push_back(std::move(item));
    }
    node.items = std::move(items);
    std::vector<Node::Member> members;
    for (auto& member : node.members) {
        Path below = path.next(member.key);
        if (member.value.tag == "!reset" || member.value.tag == "!override") resets.paths.push_back(below);
        if (member.value.tag == "!reset") continue;
        if (member.value.tag != "!override") collect_at(member.value, below, resets);
        members.push_back(std::move(member));
    }
    node.members = std::move(members);
}

void reset_at(const Resets& resets, Node& node, const Path& path) {
    std::erase_if(node.members, [&](auto& member) {
        auto& parts = path.parts();
        for (auto& reset : resets.paths) {
            auto& wanted = reset.parts();
            if (wanted.size() == parts.size() + 1 && wanted.back() == member.key && std::equal(parts.begin(), parts.end(), wanted.begin())) return true;
        }
        return false;
    });
    for (auto& member : node.members) reset_at(resets, member.value, path.next(member.key));
}

Lookup lookup_in(const Mapping& environment) {
    return [&environment](std::string_view name) -> std::optional<std::string> {
        auto found = environment.find(std::string(name));
        return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
}

/// `environment` in list form: bare names get the values of the project.
void resolve_listed_environment(Node& model, const Mapping& environment) {
    Node* services = model.find("services");
    if (!services) return;
    for (auto& member : services->members) {
        Node* variables = member.value.find("environment");
        if (!variables || !variables->is_sequence()) continue;
        for (auto& item : variables->items)
            if (auto found = environment.find(item.text); found != environment.end()) item.text = concat(item.text, '=', found->second);
    }
}

Result<void> require_mapping(const Context& context, const Node& model) {
    if (model.is_mapping()) return {};
    return context.fail_at(model.mark, "Top-level object must be a mapping");
}

/// Lays one document over what the files before made.
Result<void> add_document(Context& context, Node& model, Node document, const ModelFile& file, const ModelOptions& options, std::vector<std::string> included) {
    Resets resets = collect_resets(document);
    TRY(require_mapping(context, document));
    if (options.interpolate) TRY(interpolate(context, document, lookup_in(options.environment)));
    TRY(apply_extends(context, document, file.path, resets, options));
    apply_resets(resets, model);
    included.push_back(file.path);
    TRY(apply_include(context, document, options, included));
    TRY(merge_models(context, model, std::move(document)));
    TRY(keep_unique(context, model));
    TRY(validate(context, model, file.path));
    if (Node* version = model.find("version")) {
        context.warn(version->mark, concat(file.path, ": the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion"));
        model.erase("version");
    }
    TRY(make_canonical(context, model));
    return keep_unique(context, model);
}
}  // namespace

Resets collect_resets(Node& model) {
    Resets resets;
    collect_at(model, {}, resets);
    return resets;
}

void apply_resets(const Resets& resets, Node& model) {
    if (!resets.paths.empty()) reset_at(resets, model, {});
}

Result<std::vector<Node>> read_documents(Context& context, const ModelFile& file) {
    std::string content = file.content ? *file.content : TRY(read_compose_file(file.path));
    int source = static_cast<int>(context.sources.size());
    context.sources.push_back(file.path);
    yaml::Mark at;
    auto documents = yaml::parse(content, source, &at);
    if (!documents) return fail(with_place(documents.error(), context.place(at)));
    return documents;
}

Result<Node> load_extended_file(Context& context, const std::string& path, const ModelOptions& options, Resets& resets) {
    Node model = Node::mapping();
    for (auto& document : TRY(read_documents(context, {path, std::nullopt}))) {
        resets = collect_resets(document);
        TRY(require_mapping(context, document));
        if (options.interpolate) TRY(interpolate(context, document, lookup_in(options.environment)));
        apply_resets(resets, model);
        TRY(merge_models(context, model, std::move(document)));
        TRY(keep_unique(context, model));
        TRY(make_canonical(context, model));
        TRY(keep_unique(context, model));
    }
    return model;
}

Result<Node> load_model(Context& context, const std::vector<ModelFile>& files, const ModelOptions& options, std::vector<std::string> included) {
    Node model = Node::mapping();
    for (auto& file : files)
        for (auto& document : TRY(read_documents(context, file))) TRY(add_document(context, model, std::move(document), file, options, included));
    set_defaults(model);
    TRY(check_rules(context, model));
    if (options.resolve_paths) TRY(resolve_paths(context, model, options.working_dir));
    resolve_listed_environment(model, options.environment);
    return model;
}

}  // namespace proa::compose
