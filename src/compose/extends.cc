#include "base/text.h"
#include "compose/merge.h"
#include "compose/model.h"
#include "compose/paths.h"
#include "os/file.h"

namespace proa::compose {

namespace {
using yaml::Node;

struct Reference {
    std::string file, service;
    bool operator==(const Reference&) const = default;
};
using Chain = std::vector<Reference>;

Result<Chain> longer_chain(const Context& context, const Chain& chain, Reference next, yaml::Mark mark) {
    for (auto& seen : chain) {
        if (seen != next) continue;
        std::string text = concat("Circular reference:\n  ", chain[0].service, " in ", chain[0].file);
        for (size_t i = 1; i < chain.size(); ++i) text += concat("\n  extends ", chain[i].service, " in ", chain[i].file);
        return context.fail_at(mark, concat(text, "\n  extends ", next.service, " in ", next.file));
    }
    Chain longer = chain;
    longer.push_back(std::move(next));
    return longer;
}

class Extender {
public:
    Extender(Context& context, const std::string& file, const ModelOptions& options) : context_(context), file_(file), options_(options) {}

    /// Merges what the service extends into it.
    Result<void> extend(const std::string& name, Node& services, const Chain& chain, std::vector<Resets> resets) {
        Node* service = services.find(name);
        if (!service || service->is_null()) return {};
        if (!service->is_mapping()) return context_.fail_at(service->mark, concat("services.", name, " must be a mapping"));
        Node* extends = service->find("extends");
        if (!extends) return {};
        yaml::Mark mark = extends->mark;
        std::string base_name = extends->is_text() ? extends->text : extends->text_at("service");
        std::string other_file = extends->is_mapping() ? extends->text_at("file") : "";
        if (!extends->is_text() && !extends->is_mapping()) return context_.fail_at(mark, concat("services.", name, ".extends must be a mapping"));
        if (base_name.empty()) return context_.fail_at(mark, concat("services.", name, ".extends.service is required"));
        std::optional<Node> elsewhere;
        if (!other_file.empty()) {
            Resets of_file;
            elsewhere = TRY(services_of(name, base_name, other_file, of_file, mark));
            resets.push_back(std::move(of_file));
        } else if (!services.find(base_name)) {
            return context_.fail_at(mark, concat("cannot extend service ", quote(name), " in ", file_, ": service ", quote(base_name), " not found"));
        }
        Node& among = elsewhere ? *elsewhere : services;
        Chain longer = TRY(longer_chain(context_, chain, {other_file.empty() ? file_ : other_file, name}, mark));
        TRY(extend(base_name, among, longer, resets));
        Node* found = among.find(base_name);
        service = services.find(name);
        if (!found || found->is_null()) return {};
        Node base = *found;
        for (auto& one : resets) reset_service(one, name, base);
        Node own = *service;
        TRY(merge_service(context_, base, std::move(own)));
        base.erase("extends");
        *service = std::move(base);
        return {};
    }

private:
    static void reset_service(const Resets& resets, const std::string& name, Node& service) {
        Node model = Node::mapping();
        model.set("services", Node::mapping()).set(name, std::move(service));
        apply_resets(resets, model);
        service = std::move(*model.find("services")->find(name));
    }

    Result<Node> services_of(const std::string& name, const std::string& base_name, const std::string& file, Resets& resets, yaml::Mark mark) {
        std::string path = file[0] == '/' ? file : os::join_path(options_.directory, file);
        if (auto status = os::status(path); !status)
            return fail(with_place(Error(status.error().kind(), concat("open ", path, ": no such file or directory")), context_.place(mark)));
        Node model = TRY(load_extended_file(context_, path, options_, resets));
        Node* services = model.find("services");
        std::string prefix = concat("cannot extend service ", quote(name), " in ");
        if (!services) return context_.fail_at(mark, concat(prefix, path, ": no services section"));
        if (!services->is_mapping()) return context_.fail_at(services->mark, concat(prefix, path, ": services must be a mapping"));
        if (!services->find(base_name))
            return context_.fail_at(mark, concat("cannot extend service ", quote(name), " in ", file_, ": service ", quote(base_name), " not found in ", file));
        TRY(resolve_paths(context_, model, relative_path(options_.directory, os::directory_of(path))));
        return std::move(*model.find("services"));
    }

    Context& context_;
    const std::string& file_;
    const ModelOptions& options_;
};
}  // namespace

Result<void> apply_extends(Context& context, Node& model, const std::string& file, const Resets& resets, const ModelOptions& options) {
    Node* services = model.find("services");
    if (!services) return {};
    if (!services->is_mapping()) return context.fail_at(services->mark, "services must be a mapping");
    Extender extender(context, file, options);
    std::vector<std::string> names;
    for (auto& member : services->members) names.push_back(member.key);
    for (auto& name : names) TRY(extender.extend(name, *services, {}, {resets}));
    return {};
}

}  // namespace proa::compose
