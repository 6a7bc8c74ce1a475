#include "engine/volumes.h"

namespace proa::engine {

namespace {

constexpr char kSnapshotLabel[] = "proa.volume.snapshot-of";

docker::StringMap labels_of(const docker::Volume& volume) { return volume.labels.value_or(docker::StringMap()); }

bool is_anonymous(const docker::Volume& volume) { return labels_of(volume).contains(std::string(volume::kAnonymousLabel)); }

bool is_plain(const docker::Volume& volume) {
    return volume.driver == volume::kLocalDriver && (!volume.options || volume.options->empty());
}

void publish(Parts& parts, const char* action, const std::string& name, const std::string& driver) {
    parts.events.publish("volume", action, name, {{"driver", driver}});
}

/// "name-20260131-120000", of the local day, as an administrator names a backup.
std::string snapshot_name(const std::string& from) {
    std::string stamp = rfc3339_nano(now()).substr(0, 19);
    std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
    return concat(from, '-', replace_all(stamp, "T", "-"));
}

}  // namespace

Result<docker::Volume> create_volume(Parts& parts, const volume::CreateOptions& options) {
    auto created = TRY(parts.volumes.create(options));
    if (created.is_new) publish(parts, "create", created.volume.name, created.volume.driver);
    return std::move(created.volume);
}

Result<std::vector<docker::Volume>> list_volumes(Parts& parts, const docker::Filters& filters, std::vector<std::string>* warnings) {
    TRY(filters.check_names({"dangling", "driver", "label", "label!", "name"}));
    bool by_use = filters.has("dangling");
    bool dangling = TRY(filters.boolean("dangling", false));
    std::vector<docker::Volume> matching;
    for (auto& volume : parts.volumes.list(warnings)) {
        auto& names = filters.values("name");
        bool named = names.empty() || std::any_of(names.begin(), names.end(), [&](auto& name) { return docker::matches_expression(name, volume.name); });
        if (!named || !filters.matches("driver", volume.driver) || !filters.matches_labels(labels_of(volume))) continue;
        if (by_use && parts.volumes.references(volume.name).empty() != dangling) continue;
        matching.push_back(std::move(volume));
    }
    return matching;
}

Result<void> remove_volume(Parts& parts, const std::string& name, bool force) {
    auto volume = parts.volumes.find(name);
    if (!volume && force && volume.error().is(ErrorKind::NotFound)) return {};
    TRY(parts.volumes.remove(name, force));
    publish(parts, "destroy", name, volume ? volume->driver : "");
    return {};
}

Result<PrunedVolumes> prune_volumes(Parts& parts, const docker::Filters& filters, bool all_by_default) {
    TRY(filters.check_names({"all", "label", "label!"}));
    bool all = TRY(filters.boolean("all", all_by_default));
    PrunedVolumes pruned;
    for (auto& volume : parts.volumes.list()) {
        if (!is_plain(volume) || (!all && !is_anonymous(volume)) || !filters.matches_labels(labels_of(volume))) continue;
        if (!parts.volumes.references(volume.name).empty()) continue;
        int64_t size = std::max<int64_t>(0, parts.volumes.size(volume.name));
        if (!remove_volume(parts, volume.name, false)) continue;  // used or removed meanwhile
        pruned.deleted.push_back(volume.name);
        pruned.reclaimed += size;
    }
    parts.events.publish("volume", "prune", "", {{"reclaimed", concat(pruned.reclaimed)}});
    return pruned;
}

std::vector<docker::Volume> volume_usage(Parts& parts) {
    std::vector<docker::Volume> volumes;
    for (auto& volume : parts.volumes.list()) {
        if (!is_plain(volume)) continue;
        volume.usage = docker::VolumeUsage{parts.volumes.size(volume.name), static_cast<int64_t>(parts.volumes.references(volume.name).size())};
        volumes.push_back(std::move(volume));
    }
    return volumes;
}

Result<docker::Volume> copy_volume(Parts& parts, const std::string& from, const std::string& to, bool as_snapshot) {
    auto source = TRY(parts.volumes.find(from));
    docker::OptionalStringMap labels = source.labels;
    if (labels) labels->erase(std::string(volume::kAnonymousLabel));
    if (as_snapshot) labels = docker::StringMap{{kSnapshotLabel, from}};
    if (to.empty() && !as_snapshot) return fail(ErrorKind::InvalidArgument, "a clone needs a name");
    auto copy = TRY(parts.volumes.copy(from, to.empty() ? snapshot_name(from) : to, std::move(labels)));
    publish(parts, "create", copy.name, copy.driver);
    return copy;
}

Result<docker::Volume> rename_volume(Parts& parts, const std::string& from, const std::string& to) {
    auto renamed = TRY(parts.volumes.rename(from, to));
    parts.events.publish("volume", "rename", to, {{"driver", renamed.driver}, {"oldName", from}});
    return renamed;
}

}  // namespace proa::engine
