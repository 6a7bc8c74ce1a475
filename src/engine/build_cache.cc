#include "engine/build_cache.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "build/cache.h"
#include "codec/digest.h"
#include "engine/images.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {
constexpr char kOutcome[] = "outcome";

std::string outcome_key(const std::string& image) { return std::string(codec::Digest::of(concat("outcome\n", image)).hex()); }

/// Images that containers were made of.
std::set<std::string> images_in_use(const Parts& parts) {
    std::set<std::string> used;
    for (auto& container : parts.containers.all()) used.insert(container->read([](const container::Record& record) { return record.image_id; }));
    return used;
}

/// A step's image that nobody sees: no name, no child, no container, and not what a build was asked for.
bool is_leftover(Parts& parts, const store::Image& image, const std::set<std::string>& used) {
    return image.tags.empty() && image.repository_digests.empty() && !used.contains(image.id.text()) && !parts.images.has_children(image.id) &&
           !parts.builds.find(outcome_key(image.id.text()));
}

int64_t size_on_disk(const store::Usage& usage) { return static_cast<int64_t>(usage.blobs + usage.layers); }

Result<std::optional<Time>> until_of(const docker::Filters& filters) {
    std::optional<Time> until;
    for (auto name : {"until", "unused-for"})
        for (auto& text : filters.values(name)) {
            auto time = parse_unix_timestamp(text);
            if (!time) time = parse_rfc3339(text);
            if (auto duration = parse_duration(text); !time && duration) time = Time::from_unix_nano(now().unix_nano() - *duration);
            if (!time) return fail(ErrorKind::InvalidArgument, concat("parsing ", quote(text), " as duration: time: invalid duration ", quote(text)));
            until = time;
        }
    return until;
}

bool matches(const docker::Filters& filters, const BuildCacheEntry& entry) {
    auto one_of = [&](const char* name, const std::string& value, bool prefix) {
        auto& wanted = filters.values(name);
        return wanted.empty() ||
               std::any_of(wanted.begin(), wanted.end(), [&](auto& text) { return prefix ? value.starts_with(text) : value.find(text) != std::string::npos; });
    };
    auto is = [&](const char* name, bool value) { return !filters.has(name) || parse_bool(filters.values(name).front()).value_or(true) == value; };
    if (filters.has("parent") || filters.has("label")) return false;  // entries here have neither
    return one_of("id", entry.id, true) && one_of("type", entry.type, false) && one_of("description", entry.description, false) && is("inuse", entry.in_use) &&
           is("shared", entry.shared) && is("private", !entry.shared);
}
}  // namespace

std::vector<BuildCacheEntry> list_build_cache(Parts& parts) {
    std::vector<BuildCacheEntry> entries;
    auto used = images_in_use(parts);
    for (auto& record : parts.builds.list()) {
        if (record.type == kOutcome) continue;
        BuildCacheEntry entry{record.key.substr(0, 25), record.type, record.description, record.image};
        entry.in_use = record.in_use;
        entry.size = record.size;
        entry.uses = record.uses;
        entry.created = record.created;
        entry.last_used = record.last_used;
        if (auto digest = codec::Digest::parse(record.image)) {
            auto image = parts.images.find(*digest);
            entry.shared = image && !is_leftover(parts, *image, used);
        }
        entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.last_used > b.last_used; });
    return entries;
}

namespace {
struct DiskRoom {
    int64_t size = 0, free = 0;
};
DiskRoom disk_room(const Parts& parts) {
    struct statvfs disk;
    if (::statvfs(parts.paths.data_root.c_str(), &disk) < 0) return {};
    auto block = static_cast<int64_t>(disk.f_frsize);
    return {static_cast<int64_t>(disk.f_blocks) * block, static_cast<int64_t>(disk.f_bavail) * block};
}

/// How much may stay: BuildKit's rule.
int64_t keep_bytes(const PruneBuildOptions& options, int64_t total, int64_t free) {
    int64_t keep = options.used_max_bytes;
    if (int64_t excess = options.free_min_bytes - free; options.free_min_bytes > 0 && excess > 0)
        keep = keep == 0 ? total - excess : std::min(keep, total - excess);
    else if (keep == 0 && options.free_min_bytes > 0) keep = total;  // there is room enough
    return std::max(keep, options.reserved_bytes);
}
}  // namespace

Result<PrunedBuildCache> prune_build_cache(Parts& parts, const PruneBuildOptions& options) {
    TRY(options.filters.check_names({"id", "type", "description", "inuse", "shared", "until", "unused-for", "parent", "private", "label", "label!"}));
    auto until = TRY(until_of(options.filters));
    int64_t before = size_on_disk(parts.images.usage()), kept = 0, total = 0;
    auto entries = list_build_cache(parts);
    for (auto& entry : entries) total += entry.size;
    int64_t keep = keep_bytes(options, total, disk_room(parts).free);
    PrunedBuildCache pruned;
    std::set<std::string> images;
    std::map<std::string, build::CacheRecord> records;
    for (auto& record : parts.builds.list()) records[record.key.substr(0, 25)] = record;
    for (auto& entry : entries) {
        if (until && entry.last_used > *until) continue;
        if (!matches(options.filters, entry) || (!options.all && entry.shared)) continue;
        if (keep > 0 && kept + entry.size <= keep) {
            kept += entry.size;
            continue;
        }
        if (!parts.builds.remove(records.at(entry.id))) continue;  // a build is using it
        pruned.deleted.push_back(entry.id);
        if (entry.type == "exec.cachemount") pruned.reclaimed += entry.size;
        if (!entry.image.empty()) images.insert(entry.image);
    }
    auto used = images_in_use(parts);
    for (auto& id : images) {
        auto digest = codec::Digest::parse(id);
        auto image = digest ? parts.images.find(*digest) : nullptr;
        if (image && is_leftover(parts, *image, used)) (void)remove_image(parts, id, false, true);  // it may have gone meanwhile
    }
    for (auto& record : parts.builds.list())
        if (record.type == kOutcome && !parts.images.find(codec::Digest::parse(record.image).value_or(codec::Digest()))) (void)parts.builds.remove(record);
    pruned.reclaimed += std::max<int64_t>(0, before - size_on_disk(parts.images.usage()));
    if (!options.by_itself) parts.events.publish("builder", "prune", "", {{"reclaimed", concat(pruned.reclaimed)}});
    return pruned;
}

void collect_build_cache(Parts& parts) {
    constexpr int64_t kCapMin = 2000000000;
    if (!parts.builds.is_time_to_collect()) return;
    PruneBuildOptions old, much;
    old.filters = *docker::Filters::parse(R"({"unused-for":["1440h"]})");
    old.by_itself = much.by_itself = true;
    much.used_max_bytes = std::max(disk_room(parts).size / 10, kCapMin);
    parts.builds.tidy_inputs(2000);
    for (auto& options : {old, much})
        if (auto pruned = prune_build_cache(parts, options); !pruned) log::warn(concat("the build cache could not be tidied: ", pruned.error().message()));
}

void keep_build_outcome(Parts& parts, const std::string& image) {
    std::string key = outcome_key(image);
    if (!parts.builds.find(key)) parts.builds.put({.key = key, .image = image, .type = kOutcome, .created = now(), .last_used = now()});
}

}  // namespace proa::engine
