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
    {"availability", 0, FlagType::String, "Cluster Volume availability (\"active\", \"pause\", \"drain\")", nullptr, "active", kHidden},
    {"driver", 'd', FlagType::String, "Specify volume driver name", "(default \"local\")", "local"},
    {"group", 0, FlagType::String, "Cluster Volume group (cluster volumes)", nullptr, "", kHidden},
    {"label", 0, FlagType::List, "Set metadata for a volume"},
    {"limit-bytes", 0, FlagType::Bytes, "Minimum size of the Cluster Volume in bytes", nullptr, "", kHidden},
    {"name", 0, FlagType::String, "Specify volume name", nullptr, "", kHidden},
    {"opt", 'o', FlagType::Map, "Set driver specific options", "(default map[])"},
    {"required-bytes", 0, FlagType::Bytes, "Maximum size of the Cluster Volume in bytes", nullptr, "", kHidden},
    {"scope", 0, FlagType::String, "Cluster Volume access scope (\"single\", \"multi\")", nullptr, "single", kHidden},
    {"secret", 0, FlagType::Map, "Cluster Volume secrets", nullptr, "", kHidden},
    {"sharing", 0, FlagType::String, "Cluster Volume access sharing (\"none\", \"readonly\", \"onewriter\", \"all\")", nullptr, "none", kHidden},
    {"topology-preferred", 0, FlagType::List, "A topology that the Cluster Volume would be preferred in", nullptr, "", kHidden},
    {"topology-required", 0, FlagType::List, "A topology that the Cluster Volume must be accessible from", nullptr, "", kHidden},
    {"type", 0, FlagType::String, "Cluster Volume access type (\"mount\", \"block\")", nullptr, "block", kHidden},
};
const Flag kUpdateFlags[] = {{"availability", 0, FlagType::String, "Cluster Volume availability (\"active\", \"pause\", \"drain\")", "(default \"active\")", "active"}};
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
    for (auto cluster : {"availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "topology-preferred", "topology-required", "type"})
        if (flags.changed(cluster)) return fail(ErrorKind::Unsupported, concat("\"--", std::string_view(cluster), "\" requires the Docker daemon to run in swarm mode, which this build does not support"));
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

/// Only volumes of a cluster can be changed, and they need a swarm.
Result<int> update(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    if (call.arguments.empty()) return fail(ErrorKind::NotFound, "Error: No such volume: ");
    json::Value volume = TRY(engine.json({.path = "/volumes/" + call.arguments[0]}));
    if (volume["ClusterVolume"].is_null()) return fail(ErrorKind::InvalidArgument, "Can only update cluster volumes");
    return fail(ErrorKind::Unsupported, "cluster volumes are not supported by this build");
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

const Command kVolumeUpdate = {"[OPTIONS] [VOLUME]", "Update a volume (cluster volumes only)", kUpdateFlags, at_most(1), update};

}  // namespace proa::cli
