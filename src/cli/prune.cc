#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
};
const Flag kImageFlags[] = {
    {"all", 'a', FlagType::Bool, "Remove all unused images, not just dangling ones"},
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"until=<timestamp>\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
};
const Flag kVolumeFlags[] = {
    {"all", 'a', FlagType::Bool, "Remove all unused volumes, not just anonymous ones"},
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"label=<label>\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
};
const Flag kSystemFlags[] = {
    {"all", 'a', FlagType::Bool, "Remove all unused images not just dangling ones"},
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"label=<key>=<value>\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
    {"volumes", 0, FlagType::Bool, "Prune anonymous volumes"},
};

/// --filter and the config's pruneFilters; a filter of the command line that negates one of the config wins.
client::Filters prune_filters(Invocation& call) {
    client::Filters filters = collect_filters(call.flags.list("filter"));
    for (auto& item : call.session.config().content["pruneFilters"].as_array()) {
        auto parts = cut(item.as_string(), "=");
        if (!parts) continue;
        std::string key(parts->first), opposite = key == "label" ? "label!" : key == "label!" ? "label" : "";
        auto given = filters.find(opposite);
        if (given != filters.end() && std::find(given->second.begin(), given->second.end(), parts->second) != given->second.end()) continue;
        filters[key].emplace_back(parts->second);
    }
    return filters;
}

struct Pruned {
    std::string text;
    double reclaimed = 0;
};

Result<json::Value> prune(client::Client& engine, std::string_view path, const client::Filters& filters, client::Parameters query = {}) {
    if (auto text = client::filters_text(filters); !text.empty()) query.emplace_back("filters", text);
    return engine.json({.method = "POST", .path = std::string(path), .query = std::move(query)});
}

std::string lines_of(const json::Value& items) {
    std::string text;
    for (auto& item : items.as_array()) text += item.as_string() + "\n";
    return text;
}

Result<Pruned> prune_containers(client::Client& engine, const client::Filters& filters) {
    json::Value answer = TRY(prune(engine, "/containers/prune", filters));
    Pruned pruned{lines_of(answer["ContainersDeleted"]), answer["SpaceReclaimed"].as_double()};
    if (!pruned.text.empty()) pruned.text = "Deleted Containers:\n" + pruned.text;
    return pruned;
}

Result<Pruned> prune_networks(client::Client& engine, const client::Filters& filters) {
    json::Value answer = TRY(prune(engine, "/networks/prune", filters));
    Pruned pruned{lines_of(answer["NetworksDeleted"]), 0};
    if (!pruned.text.empty()) pruned.text = "Deleted Networks:\n" + pruned.text;
    return pruned;
}

Result<Pruned> prune_volumes(client::Client& engine, client::Filters filters, bool all) {
    if (all && engine.version_at_least("1.42")) filters["all"] = {"true"};
    json::Value answer = TRY(prune(engine, "/volumes/prune", filters));
    Pruned pruned{lines_of(answer["VolumesDeleted"]), answer["SpaceReclaimed"].as_double()};
    if (!pruned.text.empty()) pruned.text = "Deleted Volumes:\n" + pruned.text;
    return pruned;
}

Result<Pruned> prune_images(client::Client& engine, client::Filters filters, bool all) {
    filters["dangling"] = {all ? "false" : "true"};
    json::Value answer = TRY(prune(engine, "/images/prune", filters));
    Pruned pruned{"", answer["SpaceReclaimed"].as_double()};
    for (auto& item : answer["ImagesDeleted"].as_array()) {
        if (auto& name = item["Untagged"].as_string(); !name.empty()) pruned.text += concat("untagged: ", name, "\n");
        else pruned.text += concat("deleted: ", item["Deleted"].as_string(), "\n");
    }
    if (!pruned.text.empty()) pruned.text = "Deleted Images:\n" + pruned.text;
    return pruned;
}

Result<Pruned> prune_build_cache(client::Client& engine, const client::Filters& filters, bool all) {
    client::Parameters query;
    if (all) query.emplace_back("all", "1");
    json::Value answer = TRY(prune(engine, "/build/prune", filters, std::move(query)));
    Pruned pruned{lines_of(answer["CachesDeleted"]), answer["SpaceReclaimed"].as_double()};
    if (!pruned.text.empty()) pruned.text = "Deleted build cache objects:\n" + pruned.text;
    return pruned;
}

Result<int> finish(const Result<Pruned>& pruned) {
    if (!pruned) return fail(pruned.error());
    if (!pruned->text.empty()) put_line(pruned->text);
    put_line(concat("Total reclaimed space: ", human_size(pruned->reclaimed)));
    return 0;
}

Result<int> containers(Invocation& call) {
    if (!call.flags.is("force") && !confirm("WARNING! This will remove all stopped containers.")) return 0;
    return finish(prune_containers(*TRY(ready_engine(call)), prune_filters(call)));
}

Result<int> images(Invocation& call) {
    bool all = call.flags.is("all");
    auto warning = all ? "WARNING! This will remove all images without at least one container associated to them." : "WARNING! This will remove all dangling images.";
    if (!call.flags.is("force") && !confirm(warning)) return 0;
    return finish(prune_images(*TRY(ready_engine(call)), prune_filters(call), all));
}

Result<int> volumes(Invocation& call) {
    bool all = call.flags.is("all");
    client::Client& engine = *TRY(ready_engine(call));
    (void)engine.negotiate();  // only the warning's text depends on it here
    auto filters = prune_filters(call);
    if (all && filters.contains("all")) return fail(ErrorKind::InvalidArgument, "conflicting options: cannot specify both --all and --filter all=1");
    auto warning = all || !engine.version_at_least("1.42") ? "WARNING! This will remove all local volumes not used by at least one container."
                                                           : "WARNING! This will remove anonymous local volumes not used by at least one container.";
    if (!call.flags.is("force") && !confirm(warning)) return 0;
    return finish(prune_volumes(engine, filters, all));
}

Result<int> networks(Invocation& call) {
    if (!call.flags.is("force") && !confirm("WARNING! This will remove all custom networks not used by at least one container.")) return 0;
    auto pruned = TRY(prune_networks(*TRY(ready_engine(call)), prune_filters(call)));
    if (!pruned.text.empty()) put_line(pruned.text);
    return 0;
}

std::string system_warning(bool all, bool with_volumes, const client::Filters& filters) {
    std::string text = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n";
    if (with_volumes) text += "  - all anonymous volumes not used by at least one container\n";
    text += all ? "  - all images without at least one container associated to them\n  - all build cache\n" : "  - all dangling images\n  - unused build cache\n";
    if (filters.empty()) return text;
    text += "\n  Items to be pruned will be filtered with:\n";
    for (auto& [key, values] : filters)
        for (auto& value : values) text += concat("  - ", key, '=', value, "\n");
    return text;
}

Result<int> everything(Invocation& call) {
    auto& flags = call.flags;
    bool all = flags.is("all"), with_volumes = flags.is("volumes");
    auto filters = prune_filters(call);
    if (with_volumes && filters.contains("until")) return fail(ErrorKind::InvalidArgument, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
    if (!flags.is("force") && !confirm(system_warning(all, with_volumes, filters))) return 0;
    client::Client& engine = *TRY(ready_engine(call));
    double reclaimed = 0;
    auto show = [&](Result<Pruned> pruned) -> Result<void> {
        if (!pruned) return fail(pruned.error());
        reclaimed += pruned->reclaimed;
        if (!pruned->text.empty()) put_line(pruned->text);
        return {};
    };
    TRY(show(prune_containers(engine, filters)));
    TRY(show(prune_networks(engine, filters)));
    if (with_volumes) TRY(show(prune_volumes(engine, filters, false)));
    TRY(show(prune_images(engine, filters, all)));
    TRY(show(prune_build_cache(engine, filters, all)));
    put_line(concat("Total reclaimed space: ", human_size(reclaimed)));
    return 0;
}
}  // namespace

const Command kContainerPrune = {"[OPTIONS]", "Remove all stopped containers", kFlags, kNoArguments, containers};
const Command kImagePrune = {"[OPTIONS]", "Remove unused images", kImageFlags, kNoArguments, images};
const Command kVolumePrune = {"[OPTIONS]", "Remove unused local volumes", kVolumeFlags, kNoArguments, volumes};
const Command kNetworkPrune = {"[OPTIONS]", "Remove all unused networks", kFlags, kNoArguments, networks};
const Command kSystemPrune = {"[OPTIONS]", "Remove unused data", kSystemFlags, kNoArguments, everything};

}  // namespace proa::cli
