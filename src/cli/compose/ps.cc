#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/container_row.h"
#include "cli/table.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all stopped containers (including those created by the run command)"},
    {"filter", 0, FlagType::String, "Filter services by a property (supported filters: status)"},
    {"format", 0, FlagType::String, kFormatHelp, "(default \"table\")"},
    {"no-trunc", 0, FlagType::Bool, "Don't truncate output"},
    {"orphans", 0, FlagType::Bool, "Include orphaned services (not declared by project)", "(default true)", "true"},
    {"quiet", 'q', FlagType::Bool, "Only display IDs"},
    {"services", 0, FlagType::Bool, "Display services"},
    {"status", 0, FlagType::List, "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]"},
};

const Column kColumns[] = {{"ID", "CONTAINER ID"}, {"Name", "NAME"}, {"Image", "IMAGE"}, {"Command", "COMMAND"}, {"Service", "SERVICE"}, {"Project", "PROJECT"},
                           {"RunningFor", "CREATED"}, {"CreatedAt", "CREATED AT"}, {"Status", "STATUS"}, {"State", "STATE"}, {"Health", "HEALTH"}, {"ExitCode", "EXIT CODE"},
                           {"Ports", "PORTS"}, {"Publishers", "PUBLISHERS"}, {"Size", "SIZE"}, {"Labels", "LABELS"}, {"Mounts", "MOUNTS"}, {"Networks", "NETWORKS"},
                           {"LocalVolumes", "LOCAL VOLUMES"}, {"Names", "NAMES"}};

/// "(healthy)" and "Exited (3)" of the status text.
std::string health_of(const std::string& status) {
    for (auto word : {"healthy", "unhealthy"})
        if (status.ends_with(concat('(', std::string_view(word), ')'))) return word;
    return status.find("(health: starting)") != std::string::npos ? "starting" : "";
}
int64_t exit_code_of(const compose::ProjectContainer& container) {
    if (container.running()) return 0;
    auto parts = cut(container.status, "(");
    return parts ? parse_int(parts->second.substr(0, parts->second.find(')'))).value_or(0) : 0;
}

json::Value publishers_of(const json::Value& ports) {
    json::Array list;
    for (auto& port : ports.as_array())
        list.push_back(json::Object{{"URL", port["IP"].as_string()}, {"TargetPort", port["PrivatePort"].as_int()}, {"PublishedPort", port["PublicPort"].as_int()}, {"Protocol", port["Type"].as_string()}});
    return list;
}

Row project_row(const compose::ProjectContainer& container, bool truncate) {
    Row row = container_row(container.summary, truncate);
    auto& fields = row.fields;
    fields.erase("Platform");
    fields.set("Image", container.image);
    fields.set("Name", container.name);
    fields.set("Service", container.service);
    fields.set("Project", container.label("com.docker.compose.project"));
    fields.set("Health", health_of(container.status));
    fields.set("ExitCode", exit_code_of(container));
    fields.set("Publishers", publishers_of(container.summary["Ports"]));
    fields.sort();
    return row;
}

/// --status and --filter status=...
Result<std::set<std::string>> wanted_states(const FlagSet& flags) {
    std::set<std::string> states(flags.list("status").begin(), flags.list("status").end());
    std::string filter = flags.text("filter");
    if (filter.empty()) return states;
    auto parts = cut(filter, "=");
    if (!parts) return fail(ErrorKind::InvalidArgument, "arguments to --filter should be in form KEY=VAL");
    if (parts->first == "source") return fail(ErrorKind::Unsupported, "unsupported filter source: it was never carried out");
    if (parts->first != "status") return fail(ErrorKind::InvalidArgument, concat("unknown filter ", parts->first));
    states.insert(std::string(parts->second));
    return states;
}

Result<int> ps(Invocation& call) {
    auto& flags = call.flags;
    auto states = TRY(wanted_states(flags));
    auto format = TRY(Format::make(flags.text("format"), {"{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}", "{{.ID}}", ""}, false));
    ProjectSession session(call);
    auto target = TRY(session.target());
    bool all = flags.is("all") || !states.empty();
    auto containers = TRY(choose_containers(session, target, call.arguments, {.one_offs = compose::OneOffs::With, .all = all}));
    if (target.project && !flags.is("orphans"))
        std::erase_if(containers, [&](auto& each) { return !target.project->services.contains(each.service) && !target.project->disabled_services.contains(each.service); });
    if (!states.empty()) std::erase_if(containers, [&](auto& each) { return !states.contains(each.state); });
    std::sort(containers.begin(), containers.end(), [](auto& a, auto& b) { return a.name < b.name; });
    if (flags.is("quiet")) {
        for (auto& each : containers) put_line(each.id);
        return 0;
    }
    if (flags.is("services")) {
        std::set<std::string> services;
        if (target.project && states.empty())
            for (auto& [name, service] : target.project->services) services.insert(name);
        for (auto& each : containers) services.insert(each.service);
        for (auto& name : services) put_line(name);
        return 0;
    }
    std::vector<Row> rows;
    for (auto& each : containers) rows.push_back(project_row(each, !flags.is("no-trunc")));
    put(TRY(format.print({"ContainerContext", kColumns}, rows)));
    return 0;
}
}  // namespace

const Command kComposePs = {"[OPTIONS] [SERVICE...]", "List containers", kFlags, {}, ps};

}  // namespace proa::cli
