#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/container_options.h"
#include "cli/natural_order.h"
#include "cli/table.h"

namespace proa::cli {

namespace {
const Flag kListFlags[] = {
    {"cluster", 0, FlagType::Bool, "Display only cluster volumes", nullptr, "", kHidden},
    {"filter", 'f', FlagType::Filter, "Provide filter values (e.g. \"dangling=true\")"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"quiet", 'q', FlagType::Bool, "Only display volume names"},
};
const Flag kCreateFlags[] = {
    {"driver", 'd', FlagType::String, "Specify volume driver name", "(default \"local\")", "local"},
    {"label", 0, FlagType::List, "Set metadata for a volume"},
    {"name", 0, FlagType::String, "Specify volume name", nullptr, "", kHidden},
    {"opt", 'o', FlagType::Map, "Set driver specific options", "(default map[])"},
};
const Flag kRemoveFlags[] = {{"force", 'f', FlagType::Bool, "Force the removal of one or more volumes"}};
const Column kColumns[] = {{"Name", "VOLUME NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}, {"Availability", "AVAILABILITY"}, {"Mountpoint", "MOUNTPOINT"},
                           {"Labels", "LABELS"}, {"Links", "LINKS"}, {"Size", "SIZE"}, {"Group", "GROUP"}, {"Status", "STATUS"}};

Result<int> list(Invocation& call) {
    auto& flags = call.flags;
    if (flags.is("cluster")) return fail(ErrorKind::Unsupported, "--cluster is not supported by this build");
    bool quiet = flags.is("quiet");
    std::string chosen = list_format(call, "volumesFormat");
    if (quiet && !flags.changed("format")) chosen.clear();
    auto format = TRY(Format::make(chosen, {"{{.Driver}}\t{{.Name}}", "{{.Name}}", quiet ? "name: {{.Name}}" : "name: {{.Name}}\ndriver: {{.Driver}}\n"}, quiet));
    client::Call request{.path = "/volumes"};
    if (auto filters = client::filters_text(collect_filters(flags.list("filter"))); !filters.empty()) request.query.emplace_back("filters", filters);
    client::Client& engine = *TRY(ready_engine(call));
    json::Value answer = TRY(engine.json(request));
    std::vector<const json::Value*> volumes;
    for (auto& volume : answer["Volumes"].as_array()) volumes.push_back(&volume);
    std::stable_sort(volumes.begin(), volumes.end(), [](auto* a, auto* b) { return natural_less((*a)["Name"].as_string(), (*b)["Name"].as_string()); });
    std::vector<Row> rows;
    for (auto* volume : volumes) {
        std::vector<std::string> labels;
        for (auto& member : (*volume)["Labels"].as_object()) labels.push_back(concat(member.name, '=', member.value.as_string()));
        std::sort(labels.begin(), labels.end());
        Row row;
        row.fields = {{"Availability", "N/A"}, {"Driver", (*volume)["Driver"].as_string()}, {"Group", "N/A"}, {"Labels", join(labels, ",")}, {"Links", "N/A"},
                      {"Mountpoint", (*volume)["Mountpoint"].as_string()}, {"Name", (*volume)["Name"].as_string()}, {"Scope", (*volume)["Scope"].as_string()},
                      {"Size", "N/A"}, {"Status", "N/A"}};
        row.label = [volume](std::string_view key) {
            auto* found = (*volume)["Labels"].as_object().find(key);
            return found ? found->as_string() : "";
        };
        rows.push_back(std::move(row));
    }
    put(TRY(format.print({"volumeContext", kColumns}, rows)));
    return 0;
}

Result<int> create(Invocation& call) {
    auto& flags = call.flags;
    std::string name = flags.text("name");
    if (!call.arguments.empty()) {
        if (!name.empty()) return fail(ErrorKind::InvalidArgument, "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
        name = call.arguments[0];
    }
    json::Object body{{"Driver", flags.text("driver")}};
    auto map = [](const docker::StringMap& items) {
        json::Object object;
        for (auto& [key, value] : items) object.set(key, value);
        return object;
    };
    if (!flags.list("opt").empty()) body.set("DriverOpts", map(key_values(flags.list("opt"))));
    if (!flags.list("label").empty()) body.set("Labels", map(key_values(flags.list("label"))));
    if (!name.empty()) body.set("Name", name);
    client::Client& engine = *TRY(ready_engine(call));
    json::Value answer = TRY(engine.json({.method = "POST", .path = "/volumes/create", .body = json::Value(std::move(body))}));
    put_line(answer["Name"].as_string());
    return 0;
}

Result<int> remove(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return for_each_argument(call.arguments, [&](const std::string& name) -> Result<std::string> {
        client::Call request{.method = "DELETE", .path = "/volumes/" + name};
        if (call.flags.is("force")) request.query.emplace_back("force", "1");
        TRY(engine.text(request));
        return name;
    });
}
}  // namespace

const Command kVolumeList = {"[OPTIONS]", "List volumes", kListFlags, kNoArguments, list};
const Command kVolumeCreate = {"[OPTIONS] [VOLUME]", "Create a volume", kCreateFlags, at_most(1), create};
const Command kVolumeRemove = {"[OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", kRemoveFlags, at_least(1), remove, true,
                               "Remove one or more volumes. You cannot remove a volume that is in use by a container."};

}  // namespace proa::cli
