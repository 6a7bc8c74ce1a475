#include <set>

#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"format", 0, FlagType::String, kFormatHelp},
    {"verbose", 'v', FlagType::Bool, "Show detailed information on space usage"},
};
const Column kColumns[] = {{"Type", "TYPE"}, {"TotalCount", "TOTAL"}, {"Active", "ACTIVE"}, {"Size", "SIZE"}, {"Reclaimable", "RECLAIMABLE"}};

struct Usage {
    const char* type;
    int64_t total = 0, active = 0;
    double size = 0, reclaimable = 0;
};

bool is_running(const json::Value& container) {
    const std::string& state = container["State"].as_string();
    return state == "running" || state == "paused" || state == "restarting";
}

Usage image_usage(const json::Value& df) {
    Usage usage{"Images"};
    usage.size = df["LayersSize"].as_double();
    double used = 0;
    for (auto& image : df["Images"].as_array()) {
        usage.total++;
        if (image["Containers"].as_int() <= 0) continue;
        usage.active++;
        if (image["Size"].as_int() != -1 && image["SharedSize"].as_int() != -1) used += image["Size"].as_double() - image["SharedSize"].as_double();
    }
    usage.reclaimable = usage.size - used;
    return usage;
}

Usage container_usage(const json::Value& df) {
    Usage usage{"Containers"};
    for (auto& container : df["Containers"].as_array()) {
        double size = container["SizeRw"].as_double();
        usage.total++;
        usage.size += size;
        if (is_running(container)) usage.active++;
        else usage.reclaimable += size;
    }
    return usage;
}

Usage volume_usage(const json::Value& df) {
    Usage usage{"Local Volumes"};
    for (auto& volume : df["Volumes"].as_array()) {
        double size = volume["UsageData"]["Size"].as_int() == -1 ? 0 : volume["UsageData"]["Size"].as_double();
        usage.total++;
        usage.size += size;
        if (volume["UsageData"]["RefCount"].as_int() > 0) usage.active++;
        else usage.reclaimable += size;
    }
    return usage;
}

Usage cache_usage(const json::Value& df) {
    Usage usage{"Build Cache"};
    for (auto& entry : df["BuildCache"].as_array()) {
        usage.total++;
        usage.active += entry["InUse"].as_bool();
        if (entry["Shared"].as_bool()) continue;
        usage.size += entry["Size"].as_double();
        if (!entry["InUse"].as_bool()) usage.reclaimable += entry["Size"].as_double();
    }
    return usage;
}

Row usage_row(const Usage& usage, bool always_percent) {
    std::string reclaimable = human_size(usage.reclaimable);
    if (usage.size > 0 && (always_percent || std::string_view(usage.type) != "Build Cache"))
        reclaimable += concat(" (", static_cast<int64_t>(usage.reclaimable * 100 / usage.size), "%)");
    Row row;
    row.fields = {{"Active", concat(usage.active)}, {"Reclaimable", reclaimable}, {"Size", human_size(usage.size)}, {"TotalCount", concat(usage.total)}, {"Type", usage.type}};
    return row;
}

std::string image_table(const json::Value& df) {
    std::string text = "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n";
    for (auto& image : df["Images"].as_array()) {
        std::string repository = "<none>", tag = "<none>";
        if (auto& tags = image["RepoTags"].as_array(); !tags.empty()) {
            std::string name = tags[0].as_string();
            size_t colon = name.rfind(':');
            repository = name.substr(0, colon);
            tag = colon == std::string::npos ? tag : name.substr(colon + 1);
        } else if (auto& digests = image["RepoDigests"].as_array(); !digests.empty()) {
            repository = digests[0].as_string().substr(0, digests[0].as_string().find('@'));
        }
        double size = image["Size"].as_double(), shared = image["SharedSize"].as_int() == -1 ? 0 : image["SharedSize"].as_double();
        text += concat(repository, '\t', tag, '\t', truncated_id(image["Id"].as_string()), '\t', since_text(image["Created"].as_int()), " ago\t", human_size(size, 3), '\t',
                       human_size(shared), '\t', human_size(size - shared), '\t', image["Containers"].as_int(), '\n');
    }
    return align_columns(text, 10, 3);
}

std::string container_table(const json::Value& df) {
    std::string text = "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES\n";
    for (auto& container : df["Containers"].as_array()) {
        int64_t local = 0;
        for (auto& mount : container["Mounts"].as_array()) local += mount["Driver"].as_string() == "local";
        std::vector<std::string> names;
        for (auto& name : container["Names"].as_array())
            if (name.as_string().find('/', 1) == std::string::npos) names.push_back(std::string(trim_prefix(name.as_string(), "/")));
        text += concat(truncated_id(container["Id"].as_string()), '\t', container["Image"].as_string(), '\t', quote(ellipsis(container["Command"].as_string(), 20)), '\t', local,
                       '\t', human_size(container["SizeRw"].as_double(), 3), '\t', since_text(container["Created"].as_int()), " ago\t", container["Status"].as_string(), '\t',
                       join(names, ","), '\n');
    }
    return align_columns(text, 10, 3);
}

std::string volume_table(const json::Value& df) {
    std::string text = "VOLUME NAME\tLINKS\tSIZE\n";
    for (auto& volume : df["Volumes"].as_array()) {
        auto& usage = volume["UsageData"];
        text += concat(volume["Name"].as_string(), '\t', usage.is_null() ? "N/A" : concat(usage["RefCount"].as_int()), '\t',
                       usage.is_null() ? "N/A" : human_size(usage["Size"].as_double()), '\n');
    }
    return align_columns(text, 10, 3);
}

std::string cache_table(const json::Value& df) {
    std::string text = "CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED\n";
    auto since = [](const std::string& time) {
        auto parsed = parse_rfc3339(time);
        return parsed ? human_duration(now().unix_nano() - parsed->unix_nano()) + " ago" : std::string();
    };
    for (auto& entry : df["BuildCache"].as_array()) {
        std::string id = entry["ID"].as_string();
        if (entry["InUse"].as_bool()) id += "*";
        text += concat(id.substr(0, 12 + (entry["InUse"].as_bool() ? 1 : 0)), '\t', entry["Type"].as_string(), '\t', human_size(entry["Size"].as_double(), 3), '\t',
                       since(entry["CreatedAt"].as_string()), '\t', since(entry["LastUsedAt"].as_string()), '\t', entry["UsageCount"].as_int(), '\t', entry["Shared"].as_bool(), '\n');
    }
    return align_columns(text, 10, 3);
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    std::string chosen = flags.text("format");
    if (flags.is("verbose") && !chosen.empty() && chosen != "table" && chosen != "json")
        return fail(ErrorKind::Unsupported, "--verbose with a template is not supported by this build: use --format json");
    auto format = TRY(Format::make(chosen, {"{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", "", ""}, false));
    client::Client& engine = *TRY(ready_engine(call));
    json::Value df = TRY(engine.json({.path = "/system/df"}));
    if (flags.is("verbose")) {
        if (format.is_json()) {
            json::Object whole;
            for (auto key : {"Images", "Containers", "Volumes", "BuildCache"}) whole.set(key, df[key]);
            put_line(json::print(json::Value(std::move(whole))));
            return 0;
        }
        put(concat("Images space usage:\n\n", image_table(df), "\nContainers space usage:\n\n", container_table(df), "\nLocal Volumes space usage:\n\n", volume_table(df),
                   "\nBuild cache usage: ", human_size(cache_usage(df).size), "\n\n", cache_table(df)));
        return 0;
    }
    std::vector<Row> rows{usage_row(image_usage(df), true), usage_row(container_usage(df), true), usage_row(volume_usage(df), true), usage_row(cache_usage(df), false)};
    put(TRY(format.print({"diskUsageContext", kColumns}, rows)));
    return 0;
}
}  // namespace

const Command kSystemDf = {"[OPTIONS]", "Show disk usage", kFlags, kNoArguments, run};

}  // namespace proa::cli
