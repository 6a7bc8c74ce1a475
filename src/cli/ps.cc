#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/container_ports.h"
#include "cli/container_row.h"
#include "cli/table.h"
#include "cli/units.h"
#include "client/containers.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all containers (default shows just running)"},
    {"filter", 'f', FlagType::Filter, "Filter output based on conditions provided"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"last", 'n', FlagType::Int, "Show n last created containers (includes all states)", "(default -1)", "-1"},
    {"latest", 'l', FlagType::Bool, "Show the latest created container (includes all states)"},
    {"no-trunc", 0, FlagType::Bool, "Don't truncate output"},
    {"quiet", 'q', FlagType::Bool, "Only display container IDs"},
    {"size", 's', FlagType::Bool, "Display total file sizes"},
};

const Column kColumns[] = {{"ID", "CONTAINER ID"}, {"Names", "NAMES"}, {"Image", "IMAGE"}, {"Command", "COMMAND"},
                           {"CreatedAt", "CREATED AT"}, {"RunningFor", "CREATED"}, {"Ports", "PORTS"}, {"State", "STATE"},
                           {"Status", "STATUS"}, {"Size", "SIZE"}, {"Labels", "LABELS"}, {"Mounts", "MOUNTS"},
                           {"LocalVolumes", "LOCAL VOLUMES"}, {"Networks", "NETWORKS"}, {"Platform", "PLATFORM"}};

std::string names_text(const json::Value& container, bool truncate) {
    std::vector<std::string> names;
    for (auto& name : container["Names"].as_array()) {
        std::string plain(trim_prefix(name.as_string(), "/"));
        if (truncate && plain.find('/') != std::string::npos) continue;  // a link's name
        names.push_back(plain);
    }
    return join(names, ",");
}

std::string image_text(const json::Value& container, bool truncate) {
    const std::string &image = container["Image"].as_string(), &id = container["ImageID"].as_string();
    if (image.empty()) return "<no image>";
    if (!truncate) return image;
    if (truncated_id(image) == truncated_id(id) || image == id) return truncated_id(image);
    if (size_t at = image.find('@'); at != std::string::npos) {
        std::string_view name = std::string_view(image).substr(0, at);
        if (name.substr(name.rfind('/') == name.npos ? 0 : name.rfind('/')).find(':') != name.npos) return std::string(name);
        return std::string(name);
    }
    return image;
}

std::string mounts_text(const json::Value& container, bool truncate) {
    std::vector<std::string> mounts;
    for (auto& mount : container["Mounts"].as_array()) {
        std::string name = mount["Name"].as_string();
        if (name.empty()) name = mount["Source"].as_string();
        mounts.push_back(truncate ? ellipsis(name, 15) : name);
    }
    return join(mounts, ",");
}

json::Value platform_value(const json::Value& container) {
    const json::Value& platform = container["ImageManifestDescriptor"]["platform"];
    return platform.is_object() ? platform : json::Value();
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    bool quiet = flags.is("quiet"), size = flags.is("size");
    std::string chosen = list_format(call, "psFormat");
    if (quiet && !flags.changed("format")) chosen.clear();
    std::string table = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
    if (size) table += "\t{{.Size}}";
    std::string raw = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\n"
                      "status: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";
    if (size) raw += "size: {{.Size}}\n";
    if (quiet) raw = "container_id: {{.ID}}";
    auto format = TRY(Format::make(chosen, {table, "{{.ID}}", raw}, quiet));
    client::ListOptions options;
    options.all = flags.is("all");
    options.limit = flags.is("latest") ? 1 : flags.integer("last");
    options.size = size || (!format.is_json() && !chosen.empty() && format.mentions("Size"));
    options.filters = collect_filters(flags.list("filter"));
    client::Client& engine = *TRY(ready_engine(call));
    json::Value containers = TRY(client::list_containers(engine, options));
    std::vector<Row> rows;
    for (auto& container : containers.as_array()) rows.push_back(container_row(container, !flags.is("no-trunc")));
    put(TRY(format.print({"ContainerContext", kColumns}, rows)));
    return 0;
}
}  // namespace

Row container_row(const json::Value& container, bool truncate) {
    Row row;
    const std::string& id = container["Id"].as_string();
    std::string command = truncate ? ellipsis(container["Command"].as_string(), 20) : container["Command"].as_string();
    int64_t local_volumes = 0;
    for (auto& mount : container["Mounts"].as_array()) local_volumes += mount["Driver"].as_string() == "local";
    std::vector<std::string> networks, labels;
    for (auto& member : container["NetworkSettings"]["Networks"].as_object()) networks.push_back(member.name);
    for (auto& member : container["Labels"].as_object()) labels.push_back(concat(member.name, '=', member.value.as_string()));
    std::sort(labels.begin(), labels.end());
    std::string size = human_size(container["SizeRw"].as_double(), 3);
    if (double root = container["SizeRootFs"].as_double(); root > 0) size += concat(" (virtual ", human_size(root, 3), ")");
    int64_t created = container["Created"].as_int();
    row.fields = {{"Command", quote(command)},
                  {"CreatedAt", local_time_text(created)},
                  {"ID", truncate ? truncated_id(id) : id},
                  {"Image", image_text(container, truncate)},
                  {"Labels", join(labels, ",")},
                  {"LocalVolumes", concat(local_volumes)},
                  {"Mounts", mounts_text(container, truncate)},
                  {"Names", names_text(container, truncate)},
                  {"Networks", join(networks, ",")},
                  {"Platform", platform_value(container)},
                  {"Ports", ports_text(container["Ports"])},
                  {"RunningFor", since_text(created) + " ago"},
                  {"Size", size},
                  {"State", container["State"].as_string()},
                  {"Status", container["Status"].as_string()}};
    row.label = [&container](std::string_view key) {
        auto* found = container["Labels"].as_object().find(key);
        return found ? found->as_string() : "";
    };
    return row;
}

const Command kPs = {"[OPTIONS]", "List containers", kFlags, kNoArguments, run};

}  // namespace proa::cli
