#include "compose/normalize.h"

#include "base/text.h"
#include "os/file.h"

namespace proa::compose {

namespace {
using yaml::Node;

/// Bare keys get the project's value; those that have none go, unless `keep`.
void resolve_bare(Node& node, const Mapping& environment, bool keep) {
    auto value_of = [&](const std::string& key) {
        auto found = environment.find(key);
        return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    std::vector<Node> items;
    for (auto& item : node.items) {
        auto value = item.is_text() && item.text.find('=') == std::string::npos ? value_of(item.text) : std::nullopt;
        if (value) items.push_back(Node::of_text(concat(item.text, '=', *value), item.mark));
        else if (!item.is_text() || item.text.find('=') != std::string::npos || keep) items.push_back(std::move(item));
    }
    node.items = std::move(items);
    std::vector<Node::Member> members;
    for (auto& member : node.members) {
        auto value = member.value.is_null() ? value_of(member.key) : std::nullopt;
        if (value) member.value = Node::of_text(*value, member.value.mark);
        if (!member.value.is_null() || keep) members.push_back(std::move(member));
    }
    node.members = std::move(members);
}

void add_dependency(Node& depends_on, std::string_view service, bool restart, yaml::Mark mark) {
    if (depends_on.find(service)) return;
    Node made = Node::mapping(mark);
    made.set("condition", Node::of_text("service_started", mark));
    made.set("restart", Node::of_bool(restart, mark));
    made.set("required", Node::of_bool(true, mark));
    depends_on.set(service, std::move(made));
}

void add_implied_dependencies(Node& service) {
    Node depends_on = service.find("depends_on") ? *service.find("depends_on") : Node::mapping(service.mark);
    if (Node* links = service.find("links"))
        for (auto& link : links->items) {
            auto parts = split(link.text, ':');
            add_dependency(depends_on, parts.size() == 2 ? parts[0] : link.text, true, link.mark);
        }
    for (auto* key : {"network_mode", "ipc", "pid", "uts", "cgroup"})
        if (Node* mode = service.find(key); mode && mode->text.starts_with("service:")) add_dependency(depends_on, mode->text.substr(8), true, mode->mark);
    if (Node* from = service.find("volumes_from"))
        for (auto& item : from->items)
            if (!item.text.starts_with("container:")) add_dependency(depends_on, split(item.text, ':')[0], false, item.mark);
    if (!depends_on.members.empty()) service.set("depends_on", std::move(depends_on));
}

void normalize_service(Node& service, const Mapping& environment) {
    if (Node* policy = service.find("pull_policy"); policy && policy->text == "if_not_present") policy->text = "missing";
    if (Node* build = service.find("build"); build && build->is_mapping()) {
        if (!build->find("context")) build->set("context", Node::of_text(".", build->mark));
        if (!build->find("dockerfile") && !build->find("dockerfile_inline")) build->set("dockerfile", Node::of_text("Dockerfile", build->mark));
        if (Node* args = build->find("args")) resolve_bare(*args, environment, false);
    }
    if (Node* variables = service.find("environment")) resolve_bare(*variables, environment, true);
    add_implied_dependencies(service);
    if (Node* mounts = service.find("volumes"))
        for (auto& mount : mounts->items)
            if (Node* target = mount.find("target")) target->text = os::clean_path(target->text);
}

/// Services that name no network are in the default one, which exists when one is.
void normalize_networks(Node& model) {
    bool uses_default = false;
    if (Node* services = model.find("services"))
        for (auto& [name, mark, service] : services->members) {
            if (service.find("network_mode")) continue;
            Node* networks = service.find("networks");
            if (!networks || networks->members.empty()) {
                networks = &service.set("networks", Node::mapping(service.mark));
                networks->set("default", Node());
            }
            uses_default = uses_default || networks->find("default");
        }
    if (!uses_default) return;
    Node* networks = model.find("networks");
    if (!networks || !networks->is_mapping()) networks = &model.set("networks", Node::mapping());
    if (!networks->find("default")) networks->set("default", Node());
}

void name_resources(Node& model, const std::string& project_name) {
    for (auto* section : {"networks", "volumes", "configs", "secrets"}) {
        Node* resources = model.find(section);
        if (!resources) continue;
        for (auto& [key, mark, resource] : resources->members) {
            if (resource.is_null()) resource = Node::mapping(resource.mark);
            if (auto* name = resource.find("name"); name && !name->is_null()) continue;
            Node* external = resource.find("external");
            bool is_external = external && parse_bool(external->scalar_text()).value_or(false);
            resource.set("name", Node::of_text(is_external ? key : concat(project_name, '_', key), mark));
        }
    }
}
}  // namespace

void normalize(Node& model, const std::string& project_name, const Mapping& environment) {
    model.set("name", Node::of_text(project_name));
    normalize_networks(model);
    if (Node* services = model.find("services"))
        for (auto& [name, mark, service] : services->members)
            if (service.is_mapping()) normalize_service(service, environment);
    name_resources(model, project_name);
}

}  // namespace proa::compose
