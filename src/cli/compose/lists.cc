#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/table.h"
#include "cli/units.h"
#include "client/containers.h"
#include "client/images.h"
#include "compose/labels.h"
#include "schema/oci/reference.h"

// ls, images, port, top and volumes: what there is, without changing it.
namespace proa::cli {

namespace {
constexpr const char* kTableOrJson = "Format the output. Values: [table | json]";
const Flag kListFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all stopped Compose projects"},
    {"filter", 0, FlagType::Filter, "Filter output based on conditions provided"},
    {"format", 0, FlagType::String, kTableOrJson, "(default \"table\")", "table"},
    {"quiet", 'q', FlagType::Bool, "Only display IDs"},
};
const Flag kImagesFlags[] = {
    {"format", 0, FlagType::String, kTableOrJson, "(default \"table\")", "table"},
    {"quiet", 'q', FlagType::Bool, "Only display IDs"},
};
const Flag kPortFlags[] = {
    {"index", 0, FlagType::Int, "Index of the container if service has multiple replicas"},
    {"protocol", 0, FlagType::String, "tcp or udp", "(default \"tcp\")", "tcp"},
};
const Flag kVolumesFlags[] = {
    {"format", 0, FlagType::String, kFormatHelp, "(default \"table\")"},
    {"quiet", 'q', FlagType::Bool, "Only display volume names"},
};

Result<bool> wants_json(const FlagSet& flags) {
    std::string format = flags.text("format");
    if (format != "table" && format != "json") return fail(ErrorKind::InvalidArgument, concat("format value ", quote(format), " could not be parsed: parsing failed"));
    return format == "json";
}

struct ProjectSum {
    std::map<std::string, int> states;
    std::set<std::string> files;
};

/// "running(2), exited(1)": states by name.
std::string status_text(const ProjectSum& sum) {
    std::vector<std::string> parts;
    for (auto& [state, count] : sum.states) parts.push_back(concat(state, '(', count, ')'));
    return join(parts, ", ");
}

Result<int> list_projects(Invocation& call) {
    auto& flags = call.flags;
    bool json_wanted = TRY(wants_json(flags));
    auto filters = collect_filters(flags.list("filter"));
    for (auto& [key, values] : filters)
        if (key != "name") return fail(ErrorKind::InvalidArgument, concat("invalid filter '", key, "'"));
    client::Client& engine = *TRY(call.session.engine());
    client::ListOptions options{.all = flags.is("all")};
    for (auto label : {compose::kProjectLabel, compose::kConfigHashLabel}) options.filters["label"].emplace_back(label);
    std::map<std::string, ProjectSum> projects;
    json::Value answer = TRY(client::list_containers(engine, options));
    for (auto& container : answer.as_array()) {
        auto label = [&](std::string_view key) {
            auto* found = container["Labels"].as_object().find(key);
            return found ? found->as_string() : "";
        };
        if (label(compose::kOneOffLabel) == "True") continue;
        auto& sum = projects[label(compose::kProjectLabel)];
        sum.states[container["State"].as_string()]++;
        for (auto& file : split_nonempty(label(compose::kConfigFilesLabel), ',')) sum.files.insert(file);
    }
    auto names = filters.find("name");
    if (names != filters.end())
        std::erase_if(projects, [&](auto& each) { return std::none_of(names->second.begin(), names->second.end(), [&](auto& part) { return each.first.find(part) != std::string::npos; }); });
    if (flags.is("quiet")) {
        for (auto& [name, sum] : projects) put_line(name);
        return 0;
    }
    json::Array rows;
    std::string table = "NAME\tSTATUS\tCONFIG FILES\n";
    for (auto& [name, sum] : projects) {
        std::string files = join(std::vector<std::string>(sum.files.begin(), sum.files.end()), ",");
        rows.push_back(json::Object{{"Name", name}, {"Status", status_text(sum)}, {"ConfigFiles", files.empty() ? "N/A" : files}});
        table += concat(name, "\t", status_text(sum), "\t", files.empty() ? "N/A" : files, "\n");
    }
    put(json_wanted ? json::print(json::Value(std::move(rows))) + "\n" : align_columns(table, 20, 1));
    return 0;
}

Result<int> images(Invocation& call) {
    auto& flags = call.flags;
    bool json_wanted = TRY(wants_json(flags));
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    std::sort(containers.begin(), containers.end(), [](auto& a, auto& b) { return a.name < b.name; });
    std::map<std::string, json::Value> inspected;
    auto engine = TRY(session.engines().take());
    for (auto& each : containers)
        if (!inspected.contains(each.image_id)) {
            auto text = client::inspect_image_text(*engine, each.image_id);
            if (text) inspected[each.image_id] = TRY(json::parse(*text));
        }
    if (flags.is("quiet")) {
        std::set<std::string> ids;
        for (auto& each : containers)
            if (ids.insert(each.image_id).second) put_line(trim_prefix(each.image_id, "sha256:"));
        return 0;
    }
    json::Array rows;
    std::string table = "CONTAINER\tREPOSITORY\tTAG\tIMAGE ID\tSIZE\n";
    for (auto& each : containers) {
        auto reference = oci::Reference::parse(each.image);
        std::string repository = reference ? reference->familiar_name() : "<none>", tag = reference ? reference->with_default_tag().tag : "<none>";
        int64_t size = inspected[each.image_id]["Size"].as_int();
        rows.push_back(json::Object{{"ID", each.image_id}, {"ContainerName", each.name}, {"Repository", repository}, {"Tag", tag}, {"Size", size}});
        table += concat(each.name, "\t", repository, "\t", tag, "\t", truncated_id(each.image_id), "\t", human_size(static_cast<double>(size), 3), "\n");
    }
    put(json_wanted ? json::print(json::Value(std::move(rows))) + "\n" : align_columns(table, 20, 1));
    return 0;
}

Result<int> port(Invocation& call) {
    auto& flags = call.flags;
    auto number = parse_uint(call.arguments[1]);
    if (!number || *number > 65535) return fail(ErrorKind::InvalidArgument, concat("strconv.ParseUint: parsing ", quote(call.arguments[1]), ": invalid syntax"));
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto container = TRY(choose_container(session, target, call.arguments[0], flags.integer("index")));
    std::string protocol = to_lower(flags.text("protocol"));
    std::vector<std::string> others;
    for (auto& each : container.summary["Ports"].as_array()) {
        if (static_cast<uint64_t>(each["PrivatePort"].as_int()) == *number && each["Type"].as_string() == protocol && each["PublicPort"].as_int() > 0) {
            std::string address = each["IP"].as_string();
            put_line(concat(address.find(':') == std::string::npos ? address : concat('[', address, ']'), ':', each["PublicPort"].as_int()));
            return 0;
        }
        others.push_back(concat(each["PublicPort"].as_int(), '/', each["Type"].as_string()));
    }
    return fail(ErrorKind::NotFound, concat("no port ", *number, '/', protocol, " for container ", container.name, ": ", join(others, ", ")));
}

Result<int> top(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments, {.all = false}));
    std::sort(containers.begin(), containers.end(), [](auto& a, auto& b) { return a.name < b.name; });
    auto engine = TRY(session.engines().take());
    for (auto& each : containers) {
        json::Value answer = TRY(engine->json({.path = client::container_path(each.id, "top")}));
        std::string table;
        auto add = [&](const json::Value& cells) {
            for (auto& cell : cells.as_array()) table += cell.as_string() + "\t";
            table += "\n";
        };
        add(answer["Titles"]);
        for (auto& process : answer["Processes"].as_array()) add(process);
        put(concat(each.name, "\n", align_columns(table, 4, 3), "\n"));
    }
    return 0;
}

const Column kVolumeColumns[] = {{"Name", "VOLUME NAME"}, {"Driver", "DRIVER"}, {"Mountpoint", "MOUNTPOINT"}, {"Scope", "SCOPE"}, {"Labels", "LABELS"}};

Result<int> volumes(Invocation& call) {
    auto& flags = call.flags;
    auto format = TRY(Format::make(flags.text("format"), {"{{.Driver}}\t{{.Name}}", "{{.Name}}", ""}, flags.is("quiet")));
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    auto engine = TRY(session.engines().take());
    client::Filters filters{{"label", {concat(compose::kProjectLabel, '=', target.name)}}};
    json::Value answer = TRY(engine->json({.path = "/volumes", .query = {{"filters", client::filters_text(filters)}}}));
    std::set<std::string> used;
    for (auto& each : containers)
        for (auto& mount : each.summary["Mounts"].as_array()) used.insert(mount["Name"].as_string());
    std::vector<Row> rows;
    for (auto& volume : answer["Volumes"].as_array()) {
        if (!call.arguments.empty() && !used.contains(volume["Name"].as_string())) continue;
        std::vector<std::string> labels;
        for (auto& member : volume["Labels"].as_object()) labels.push_back(concat(member.name, '=', member.value.as_string()));
        Row row;
        row.fields = {{"Driver", volume["Driver"].as_string()}, {"Labels", join(labels, ",")}, {"Mountpoint", volume["Mountpoint"].as_string()}, {"Name", volume["Name"].as_string()}, {"Scope", volume["Scope"].as_string()}};
        rows.push_back(std::move(row));
    }
    put(TRY(format.print({"volumeContext", kVolumeColumns}, rows)));
    return 0;
}
}  // namespace

const Command kComposeList = {"[OPTIONS]", "List running compose projects", kListFlags, kNoArguments, list_projects};
const Command kComposeImages = {"[OPTIONS] [SERVICE...]", "List images used by the created containers", kImagesFlags, {}, images};
const Command kComposePort = {"[OPTIONS] SERVICE PRIVATE_PORT", "Print the public port for a port binding", kPortFlags, exactly(2), port};
const Command kComposeTop = {"[SERVICES...]", "Display the running processes", {}, {}, top};
const Command kComposeVolumes = {"[OPTIONS] [SERVICE...]", "List volumes", kVolumesFlags, {}, volumes};

}  // namespace proa::cli
