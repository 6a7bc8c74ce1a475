#include "base/text.h"
#include "compose/consistency.h"

namespace proa::compose {

namespace {
using yaml::Node;

struct Rule {
    const char* key;  ///< below the service
    const char* why;
};
constexpr Rule kRefused[] = {
    {"cpu_count", "counts processors of Windows hosts; use cpus"},
    {"cpu_percent", "is a share of Windows hosts; use cpus"},
    {"credential_spec", "is an account of Windows hosts"},
    {"models", "needs a model runner, which this engine has not"},
    {"provider", "needs a provider plugin, which this engine has not"},
    {"pull_refresh_after", "belongs to a pull policy that is not supported"},
};
constexpr Rule kIdle[] = {
    {"deploy.endpoint_mode", "a cluster's load balancer"},
    {"deploy.placement", "the choice among several nodes"},
    {"deploy.rollback_config", "a cluster's updates"},
    {"deploy.update_config", "a cluster's updates"},
};

const Node* below(const Node& node, std::string_view path) {
    const Node* found = &node;
    for (auto& key : split(path, '.')) found = found ? found->find(key) : nullptr;
    return found;
}

Unexpected refuse(const Context& context, yaml::Mark mark, std::string text) {
    return fail(with_place(Error(ErrorKind::Unsupported, std::move(text)), context.place(mark)));
}

Result<void> check_service(Context& context, const Node& service, const std::string& path) {
    for (auto& rule : kRefused)
        if (auto* found = service.find(rule.key); found && !found->is_null() && !(found->kind == yaml::Kind::Integer && found->integer == 0))
            return refuse(context, found->mark, concat(path, '.', rule.key, " is not supported: it ", rule.why));
    if (auto* isolation = service.find("isolation"); isolation && isolation->text != "default" && !isolation->text.empty())
        return refuse(context, isolation->mark, concat(path, ".isolation is not supported: ", quote(isolation->text), " is a technology of Windows hosts"));
    if (auto* mounts = service.find("volumes"))
        for (auto& mount : mounts->items) {
            std::string type = mount.text_at("type");
            if (type == "npipe") return refuse(context, mount.mark, concat(path, ".volumes: type npipe is not supported: named pipes belong to Windows hosts"));
            if (type == "cluster") return refuse(context, mount.mark, concat(path, ".volumes: type cluster is not supported: its volumes belong to a cluster"));
        }
    for (auto& rule : kIdle)
        if (auto* found = below(service, rule.key); found && !found->is_null())
            context.warn(found->mark, concat(path, '.', rule.key, " has no effect on a single host: it is about ", rule.why));
    if (auto* mode = below(service, "deploy.mode"); mode && mode->text.starts_with("global"))
        context.warn(mode->mark, concat(path, ".deploy.mode: ", mode->text, " means one container on a single host"));
    if (auto* resources = below(service, "deploy.resources.reservations.generic_resources"))
        context.warn(
            resources->mark,
            concat(path, ".deploy.resources.reservations.generic_resources has no effect on a single host: it is about the choice among several nodes"));
    return {};
}
}  // namespace

Result<void> check_host(Context& context, const Node& model) {
    if (auto* models = model.find("models"); models && !models->is_null())
        return refuse(context, models->mark, "models is not supported: it needs a model runner, which this engine has not");
    if (auto* services = model.find("services"))
        for (auto& member : services->members) TRY(check_service(context, member.value, "services." + member.key));
    for (auto* section : {"secrets", "configs"})
        if (auto* objects = model.find(section))
            for (auto& member : objects->members)
                for (auto* key : {"driver", "template_driver"})
                    if (auto* found = member.value.find(key))
                        return refuse(context, found->mark, concat(section, '.', member.key, '.', key, " is not supported: it is a cluster's"));
    return {};
}

}  // namespace proa::compose
