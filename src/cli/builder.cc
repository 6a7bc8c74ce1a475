#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/file_transfer.h"
#include "cli/table.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
const Flag kPruneFlags[] = {
    {"all", 'a', FlagType::Bool, "Remove all unused build cache, not just dangling ones"},
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"until=24h\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
    {"keep-storage", 0, FlagType::Bytes, "Amount of disk space to keep for cache"},
    {"max-used-space", 0, FlagType::Bytes, "Maximum amount of disk space allowed to keep for cache"},
    {"min-free-space", 0, FlagType::Bytes, "Target amount of free disk space after pruning"},
    {"reserved-space", 0, FlagType::Bytes, "Amount of disk space always allowed to keep for cache"},
};

Result<int> prune(Invocation& call) {
    auto& flags = call.flags;
    std::string_view warning = flags.is("all") ? "WARNING! This will remove all build cache." : "WARNING! This will remove all dangling build cache.";
    if (!flags.is("force") && !confirm(warning)) return 0;
    client::Client& engine = *TRY(ready_engine(call));
    client::Call request{.method = "POST", .path = "/build/prune"};
    if (flags.is("all")) request.query.emplace_back("all", "1");
    for (auto name : {"keep-storage", "max-used-space", "min-free-space", "reserved-space"})
        if (flags.changed(name)) request.query.emplace_back(name, concat(flags.integer(name)));
    if (auto text = client::filters_text(collect_filters(flags.list("filter"))); !text.empty()) request.query.emplace_back("filters", text);
    auto answer = TRY(engine.json(request));
    auto& deleted = answer["CachesDeleted"].as_array();
    if (!deleted.empty()) put_line("Deleted build cache objects:");
    for (auto& id : deleted) put_line(id.as_string());
    if (!deleted.empty()) put_line("");
    put_line(concat("Total:\t", human_size(answer["SpaceReclaimed"].as_double())));
    return 0;
}

const Flag kUsageFlags[] = {
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"type=regular\")"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"verbose", 0, FlagType::Bool, "Show all of each entry"},
};
const Column kUsageColumns[] = {{"ID", "ID"},
                                {"Reclaimable", "RECLAIMABLE"},
                                {"Size", "SIZE"},
                                {"LastUsed", "LAST ACCESSED"},
                                {"Type", "TYPE"},
                                {"Description", "DESCRIPTION"},
                                {"Shared", "SHARED"},
                                {"InUse", "IN USE"},
                                {"UsageCount", "USAGE COUNT"},
                                {"Created", "CREATED"}};

std::string ago(const json::Value& time) {
    auto parsed = parse_rfc3339(time.as_string());
    return parsed ? human_duration(now().unix_nano() - parsed->unix_nano()) + " ago" : std::string();
}

Result<bool> matches(const json::Value& entry, const std::vector<std::string>& filters) {
    for (auto& filter : filters) {
        auto pair = cut(filter, "=");
        std::string name(pair ? pair->first : filter), wanted(pair ? pair->second : "");
        if (name == "id" && !entry["ID"].as_string().starts_with(wanted)) return false;
        else if (name == "type" && entry["Type"].as_string() != wanted) return false;
        else if (name == "description" && entry["Description"].as_string().find(wanted) == std::string::npos) return false;
        else if (name == "inuse" || name == "shared" || name == "private") {
            bool is = entry[name == "inuse" ? "InUse" : "Shared"].as_bool() != (name == "private");
            if (is != parse_bool(wanted).value_or(wanted.empty())) return false;
        } else if (name != "id" && name != "type" && name != "description") {
            return fail(ErrorKind::InvalidArgument, concat("invalid filter '", name, "'"));
        }
    }
    return true;
}

Row usage_row(const json::Value& entry) {
    bool in_use = entry["InUse"].as_bool();
    Row row;
    row.fields = {{"ID", concat(entry["ID"].as_string(), in_use ? "*" : "")},
                  {"Reclaimable", in_use ? "false" : "true"},
                  {"Size", human_size(entry["Size"].as_double(), 4)},
                  {"LastUsed", ago(entry["LastUsedAt"].is_null() ? entry["CreatedAt"] : entry["LastUsedAt"])},
                  {"Type", entry["Type"].as_string()},
                  {"Description", entry["Description"].as_string()},
                  {"Shared", entry["Shared"].as_bool() ? "true" : "false"},
                  {"InUse", in_use ? "true" : "false"},
                  {"UsageCount", concat(entry["UsageCount"].as_int())},
                  {"Created", ago(entry["CreatedAt"])}};
    return row;
}

/// `builder du`: what the build cache holds, and what prune would give back.
Result<int> usage(Invocation& call) {
    auto& flags = call.flags;
    std::string chosen = flags.text("format");
    if (chosen.empty() && flags.is("verbose"))
        chosen =
            "ID:\t\t{{.ID}}\nType:\t\t{{.Type}}\nDescription:\t{{.Description}}\nCreated:\t{{.Created}}\nLast used:\t{{.LastUsed}}\nUsage "
            "count:\t{{.UsageCount}}\n"
            "Size:\t\t{{.Size}}\nShared:\t\t{{.Shared}}\nReclaimable:\t{{.Reclaimable}}\n";
    auto format = TRY(Format::make(chosen, {"{{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsed}}", "", ""}, false));
    client::Client& engine = *TRY(ready_engine(call));
    json::Value df = TRY(engine.json({.path = "/system/df", .query = {{"type", "build-cache"}}}));
    std::vector<Row> rows;
    double shared = 0, own = 0, reclaimable = 0;
    for (auto& entry : df["BuildCache"].as_array()) {
        if (!TRY(matches(entry, flags.list("filter")))) continue;
        double size = entry["Size"].as_double();
        (entry["Shared"].as_bool() ? shared : own) += size;
        if (!entry["InUse"].as_bool()) reclaimable += size;
        rows.push_back(usage_row(entry));
    }
    put(TRY(format.print({"diskUsageContext", kUsageColumns}, rows)));
    if (!flags.text("format").empty()) return 0;
    if (shared > 0) put(concat("Shared:\t\t", human_size(shared, 4), "\nPrivate:\t", human_size(own, 4), "\n"));
    put(concat("Reclaimable:\t", human_size(reclaimable, 4), "\nTotal:\t\t", human_size(shared + own, 4), "\n"));
    return 0;
}
Result<int> export_mount(Invocation& call) {
    TRY(export_archive(call, {.path = "/build/mounts/export", .query = {{"id", call.arguments[0]}}}));
    return 0;
}

Result<int> import_mount(Invocation& call) {
    TRY(import_archive(call, {.method = "POST", .path = "/build/mounts/import", .query = {{"id", call.arguments[0]}}}));
    return 0;
}
}  // namespace

const Command kBuilderExport = {
    "[OPTIONS] CACHE_MOUNT",
    "Write the content of a cache mount as a tar archive (proa only)",
    kArchiveOutputFlags,
    exactly(1),
    export_mount,
    true,
    "Write the content of a cache mount, as RUN --mount=type=cache,id=CACHE_MOUNT uses it, as a tar archive. Without an id a mount has its target as id."};
const Command kBuilderImport = {"[OPTIONS] CACHE_MOUNT", "Give a cache mount the content of a tar archive (proa only)", kArchiveInputFlags, exactly(1),
                                import_mount};
const Command kBuilderPrune = {"", "Remove build cache", kPruneFlags, kNoArguments, prune};
const Command kBuilderUsage = {"[OPTIONS]", "Disk usage of the build cache", kUsageFlags, kNoArguments, usage};

}  // namespace proa::cli
