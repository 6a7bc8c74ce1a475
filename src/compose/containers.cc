#include "compose/containers.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "client/containers.h"
#include "compose/labels.h"

namespace proa::compose {

std::string ProjectContainer::label(std::string_view key) const {
    auto found = labels.find(std::string(key));
    return found == labels.end() ? "" : found->second;
}

bool ProjectContainer::has_endpoint(const std::string& network) const { return summary["NetworkSettings"]["Networks"].as_object().find(network) != nullptr; }

Result<std::vector<ProjectContainer>> list_project_containers(client::Client& engine, const ContainerQuery& query) {
    client::ListOptions options{.all = query.all};
    auto& labels = options.filters["label"];
    labels.push_back(concat(kProjectLabel, '=', query.project));
    if (query.one_offs == OneOffs::Without) labels.push_back(concat(kOneOffLabel, "=False"));
    if (query.one_offs == OneOffs::Only) labels.push_back(concat(kOneOffLabel, "=True"));
    json::Value answer = TRY(client::list_containers(engine, options));
    std::vector<ProjectContainer> containers;
    for (auto& each : answer.as_array()) {
        ProjectContainer container;
        container.id = each["Id"].as_string();
        // A container that others link to has names with two slashes as well.
        for (auto& name : each["Names"].as_array())
            if (std::string_view text = name.as_string(); text.rfind('/') == 0) container.name = text.substr(1);
        container.image = each["Image"].as_string();
        container.image_id = each["ImageID"].as_string();
        container.state = each["State"].as_string();
        container.status = each["Status"].as_string();
        container.created = each["Created"].as_int();
        for (auto& member : each["Labels"].as_object()) container.labels[member.name] = member.value.as_string();
        container.service = container.label(kServiceLabel);
        container.number = parse_int(container.label(kNumberLabel)).value_or(0);
        container.one_off = container.label(kOneOffLabel) == "True";
        container.summary = each;
        containers.push_back(std::move(container));
    }
    std::sort(containers.begin(), containers.end(),
              [](auto& a, auto& b) { return std::tie(a.service, a.number, a.name) < std::tie(b.service, b.number, b.name); });
    return containers;
}

std::vector<LabelDependency> label_dependencies(const ProjectContainer& container) {
    std::vector<LabelDependency> dependencies;
    for (auto& item : split_nonempty(container.label(kDependsOnLabel), ',')) {
        auto parts = split(item, ':');
        dependencies.push_back({parts[0], parts.size() > 1 ? parts[1] : "service_started", parts.size() > 2 && parts[2] == "true"});
    }
    return dependencies;
}

}  // namespace proa::compose
