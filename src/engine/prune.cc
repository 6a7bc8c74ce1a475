#include "engine/prune.h"

#include <set>

#include "engine/images.h"
#include "engine/remove_container.h"
#include "store/image_store.h"

namespace proa::engine {

Result<std::optional<Time>> until_of(const docker::Filters& filters) {
    auto& values = filters.values("until");
    if (values.empty()) return std::optional<Time>();
    if (values.size() > 1) return fail(ErrorKind::InvalidArgument, "more than one until filter specified");
    auto time = parse_unix_timestamp(values[0]);
    if (!time) time = parse_rfc3339(values[0]);
    if (auto duration = parse_duration(values[0]); !time && duration) time = Time::from_unix_nano(now().unix_nano() - *duration);
    if (!time) return fail(ErrorKind::InvalidArgument, concat("invalid filter 'until=", values[0], "'"));
    return time;
}

Result<PrunedContainers> prune_containers(Parts& parts, const docker::Filters& filters) {
    TRY(filters.check_names({"label", "label!", "until"}));
    auto until = TRY(until_of(filters));
    PrunedContainers pruned;
    for (auto& container : parts.containers.all()) {
        auto record = container->record();
        if (record.state.running || record.removing) continue;
        if (until && record.created > *until) continue;
        if (!filters.matches_labels(record.config.labels.value_or(docker::StringMap()))) continue;
        auto size = static_cast<int64_t>(parts.images.writable_layer_usage(record.id).value_or(0));
        if (!remove_container(parts, container, RemoveOptions{})) continue;  // it was started or removed meanwhile
        if (!pruned.deleted) pruned.deleted.emplace();
        pruned.deleted->push_back(record.id);
        pruned.reclaimed += size;
    }
    parts.events.publish("container", "prune", "", {{"reclaimed", concat(pruned.reclaimed)}});
    return pruned;
}

Result<PrunedImages> prune_images(Parts& parts, const docker::Filters& filters) {
    TRY(filters.check_names({"dangling", "label", "label!", "until"}));
    bool dangling_only = TRY(filters.boolean("dangling", true));
    auto until = TRY(until_of(filters));
    std::set<std::string> used;
    for (auto& container : parts.containers.all()) used.insert(container->read([](const container::Record& record) { return record.image_id; }));
    PrunedImages pruned;
    for (auto& image : parts.images.list()) {
        if (used.contains(image->id.text()) || (dangling_only && !image->tags.empty())) continue;
        auto* manifest = image->manifest();
        if (until && manifest && manifest->config.created && *manifest->config.created > *until) continue;
        if (!filters.matches_labels(manifest ? manifest->config.config.labels.value_or(docker::StringMap()) : docker::StringMap())) continue;
        auto sizes = parts.images.sizes(*image);
        std::vector<std::string> references = image->tags;
        if (references.empty()) references.push_back(image->id.text());
        for (auto& reference : references) {
            auto removed = remove_image(parts, reference, false, true);
            if (!removed) continue;  // used or removed meanwhile
            if (!pruned.deleted) pruned.deleted.emplace();
            pruned.deleted->insert(pruned.deleted->end(), removed->begin(), removed->end());
        }
        if (!parts.images.find(image->id)) pruned.reclaimed += sizes.content + sizes.unpacked - sizes.shared;
    }
    parts.events.publish("image", "prune", "", {{"reclaimed", concat(pruned.reclaimed)}});
    return pruned;
}

}  // namespace proa::engine
