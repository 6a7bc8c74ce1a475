#include "base/text.h"
#include "compose/plan.h"

namespace proa::compose {

namespace {
using Action = ContainerStep::Action;

std::string_view word(const ContainerStep& step) {
    switch (step.action) {
        case Action::Create: return "create";
        case Action::Recreate: return "recreate";
        case Action::Remove: return "remove";
        case Action::Restart: return "restart";
        case Action::Keep: return step.running ? "keep" : "start";
    }
    return "";
}

std::string_view sign(std::string_view word) { return word == "create" || word == "start" ? "+" : word == "remove" ? "-" : word == "keep" ? " " : "~"; }
}  // namespace

std::string plan_text(const Plan& plan, const Project& project) {
    std::string text;
    size_t changes = 0;
    auto line = [&](std::string_view word, std::string_view what, const std::vector<std::string>& reasons) {
        text += concat(sign(word), ' ', word, ' ', what, reasons.empty() ? "" : concat(" (", join(reasons, ", "), ')'), "\n");
        if (word != "keep") changes++;
    };
    for (auto& key : plan.networks) line("create", concat("network ", project.networks.at(key).name), {});
    for (auto& key : plan.volumes) line("create", concat("volume ", project.volumes.at(key).name), {});
    for (auto& service : plan.services)
        for (auto& step : service.steps) line(word(step), concat("container ", step.name), step.reasons);
    if (plan.removes_orphans)
        for (auto* orphan : plan.orphans) line("remove", concat("container ", orphan->name), {"orphan"});
    text += changes == 0 ? "Nothing to do.\n" : concat(changes, changes == 1 ? " change.\n" : " changes.\n");
    return text;
}

json::Value plan_json(const Plan& plan, const Project& project) {
    json::Array steps;
    auto add = [&](std::string_view action, std::string_view kind, const std::string& name, const std::string& service,
                   const std::vector<std::string>& reasons) {
        json::Object step{{"Action", action}, {"Kind", kind}, {"Name", name}};
        if (!service.empty()) step.set("Service", service);
        if (!reasons.empty()) step.set("Reasons", json::Value::strings(reasons));
        steps.push_back(std::move(step));
    };
    for (auto& key : plan.networks) add("create", "network", project.networks.at(key).name, "", {});
    for (auto& key : plan.volumes) add("create", "volume", project.volumes.at(key).name, "", {});
    for (auto& service : plan.services)
        for (auto& step : service.steps) add(word(step), "container", step.name, service.service, step.reasons);
    if (plan.removes_orphans)
        for (auto* orphan : plan.orphans) add("remove", "container", orphan->name, orphan->service, {"orphan"});
    return steps;
}

}  // namespace proa::compose
