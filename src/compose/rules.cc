#include "base/text.h"
#include "compose/canonical.h"

namespace proa::compose {

namespace {
using yaml::Node;

Result<void> check_volume(const Context& context, const Node& volume, const std::string& path) {
    auto* external = volume.find("external");
    if (!external || !external->boolean) return {};
    for (auto& member : volume.members)
        if (member.key != "name" && member.key != "external" && !member.key.starts_with("x-"))
            return context.fail_at(member.key_mark, concat(path, ": conflicting parameters \"external\" and ", quote(member.key), " specified"));
    return {};
}

Result<void> check_file_object(const Context& context, const Node& object, const std::string& path, std::initializer_list<const char*> keys) {
    std::vector<std::string> names(keys.begin(), keys.end());
    int given = 0;
    for (auto* key : keys) given += object.find(key) != nullptr;
    if (given > 1) return context.fail_at(object.mark, concat(path, ": ", join(names, "|"), " attributes are mutually exclusive"));
    if (given == 0 && !object.find("driver") && !object.find("external"))
        return context.fail_at(object.mark, concat(path, ": one of ", join(names, "|"), " must be set"));
    return {};
}

Result<void> check_requests(const Context& context, const Node* list, const std::string& path) {
    if (!list) return {};
    for (auto& request : list->items)
        if (request.find("count") && request.find("device_ids"))
            return context.fail_at(request.mark, concat(path, ".[]: \"count\" and \"device_ids\" attributes are exclusive"));
    return {};
}

Result<void> check_service(const Context& context, const Node& service, const std::string& path) {
    auto* develop = service.find("develop");
    if (auto* watch = develop ? develop->find("watch") : nullptr)
        for (auto& trigger : watch->items)
            if (auto* below = trigger.find("path"); below && below->text.empty())
                return context.fail_at(below->mark, concat(path, ".develop.watch.[].path: value can't be blank"));
    const Node* below = service.find("deploy");
    for (auto* key : {"resources", "reservations", "devices"}) below = below ? below->find(key) : nullptr;
    TRY(check_requests(context, below, path + ".deploy.resources.reservations.devices"));
    return check_requests(context, service.find("gpus"), path + ".gpus");
}
}  // namespace

Result<void> check_rules(const Context& context, const Node& model) {
    auto members = [&](std::string_view section) {
        auto* found = model.find(section);
        return found ? std::span(found->members) : std::span<const Node::Member>();
    };
    for (auto& [name, mark, service] : members("services")) TRY(check_service(context, service, "services." + name));
    for (auto& [name, mark, volume] : members("volumes")) TRY(check_volume(context, volume, "volumes." + name));
    for (auto& [name, mark, object] : members("configs")) TRY(check_file_object(context, object, "configs." + name, {"file", "environment", "content"}));
    for (auto& [name, mark, object] : members("secrets")) TRY(check_file_object(context, object, "secrets." + name, {"file", "environment"}));
    return {};
}

}  // namespace proa::compose
