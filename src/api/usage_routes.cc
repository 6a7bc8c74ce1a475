#include <algorithm>

#include "api/routes.h"
#include "base/log.h"
#include "engine/build_cache.h"
#include "engine/disk_usage.h"
#include "engine/explain_container.h"
#include "engine/find_image.h"
#include "engine/list_containers.h"
#include "engine/volumes.h"
#include "store/image_store.h"

namespace proa::api {

namespace {

using engine::Parts;

json::Value untagged_as_null(const docker::ImageSummary& image) {
    json::Value entry = json::to_value(image);
    for (auto name : {"RepoTags", "RepoDigests"})
        if (entry[name].as_array().empty()) entry.object()[name] = json::Value();
    return entry;
}

Result<json::Value> containers_with_sizes(Call& call, Parts& parts) {
    engine::ListOptions options;
    options.all = options.size = true;
    engine::ListSources sources;
    sources.image_id = [](const std::string&) { return std::nullopt; };
    sources.sizes = [&](const container::Record& record) {
        auto written = static_cast<int64_t>(parts.images.writable_layer_usage(record.id).value_or(0));
        return std::pair{written, written + engine::image_unpacked_size(parts.images, record.image_id).value_or(0)};
    };
    engine::ListWriter writer{"df" + call.version().text(), [](const docker::ContainerSummary& summary) { return json::print(json::to_value(summary)); }};
    return json::parse(TRY(engine::list_containers(parts.containers, options, sources, writer)));
}

json::Object usage_of(json::Array items, int64_t active, int64_t total_size, int64_t reclaimable, bool verbose) {
    json::Object usage;
    usage.set("ActiveCount", active);
    usage.set("TotalCount", static_cast<int64_t>(items.size()));
    usage.set("TotalSize", total_size);
    usage.set("Reclaimable", reclaimable);
    if (verbose) usage.set("Items", std::move(items));
    return usage;
}

json::Object cache_entry(const engine::BuildCacheEntry& entry) {
    json::Object object;
    object.set("ID", entry.id);
    object.set("Type", entry.type);
    object.set("Description", entry.description);
    object.set("InUse", entry.in_use);
    object.set("Shared", entry.shared);
    object.set("Size", entry.size);
    object.set("CreatedAt", rfc3339_nano(entry.created));
    object.set("LastUsedAt", entry.uses > 0 ? json::Value(rfc3339_nano(entry.last_used)) : json::Value());
    object.set("UsageCount", entry.uses);
    return object;
}

/// `docker system df`; volumes and build caches are counted where they are.
Result<void> disk_usage(Call& call, Parts& parts) {
    auto types = call.query().all("type");
    for (auto& type : types)
        if (type != "container" && type != "image" && type != "volume" && type != "build-cache")
            return fail(ErrorKind::InvalidArgument, concat("unknown object type: ", type));
    auto wants = [&](std::string_view type) { return types.empty() || std::find(types.begin(), types.end(), type) != types.end(); };
    bool modern = call.version() >= ApiVersion(1, 52), verbose = call.flag("verbose"), legacy = !modern || !verbose;
    json::Object answer;
    json::Value images, containers, volumes, caches;
    int64_t layers_size = 0;
    if (wants("image")) {
        auto usage = TRY(engine::image_usage(parts));
        layers_size = usage.layers_size;
        images = json::Array();
        for (auto& image : usage.images) {
            if (call.version() < ApiVersion(1, 44)) image.virtual_size = image.size;
            if (call.version() < ApiVersion(1, 48)) image.descriptor.reset();
            images.array().push_back(untagged_as_null(image));
        }
        if (modern) answer.set("ImageUsage", usage_of(images.as_array(), usage.active, usage.layers_size, usage.reclaimable, verbose));
    }
    if (wants("container")) {
        containers = TRY(containers_with_sizes(call, parts));
        int64_t active = 0, size = 0, reclaimable = 0;
        for (auto& entry : containers.as_array()) {
            int64_t own = entry["SizeRw"].as_int();
            bool runs = entry["State"].as_string() == "running" || entry["State"].as_string() == "paused" || entry["State"].as_string() == "restarting";
            size += own;
            if (runs) active++;
            else reclaimable += own;
        }
        if (modern) answer.set("ContainerUsage", usage_of(containers.as_array(), active, size, reclaimable, verbose));
    }
    int64_t volumes_active = 0, volumes_size = 0, volumes_reclaimable = 0;
    if (wants("volume")) {
        volumes = json::Array();
        for (auto& volume : engine::volume_usage(parts)) {
            int64_t size = std::max<int64_t>(0, volume.usage->size);
            volumes_size += size;
            if (volume.usage->ref_count > 0) volumes_active++;
            else volumes_reclaimable += size;
            volumes.array().push_back(json::to_value(volume));
        }
    }
    int64_t caches_active = 0, caches_size = 0, caches_reclaimable = 0;
    if (wants("build-cache")) {
        caches = json::Array();
        for (auto& entry : engine::list_build_cache(parts)) {
            if (entry.in_use) caches_active++;
            if (!entry.shared) caches_size += entry.size;
            if (!entry.shared && !entry.in_use) caches_reclaimable += entry.size;
            caches.array().push_back(cache_entry(entry));
        }
    }
    if (modern && wants("volume")) answer.set("VolumeUsage", usage_of(volumes.as_array(), volumes_active, volumes_size, volumes_reclaimable, verbose));
    if (modern && wants("build-cache")) answer.set("BuildCacheUsage", usage_of(caches.as_array(), caches_active, caches_size, caches_reclaimable, verbose));
    if (legacy) {
        answer.set("LayersSize", layers_size);
        answer.set("Images", std::move(images));
        answer.set("Containers", std::move(containers));
        answer.set("Volumes", std::move(volumes));
        answer.set("BuildCache", std::move(caches));
        answer.set("BuilderSize", 0);
    }
    return call.respond_json(200, json::print(answer));
}

/// `proa system fsck`.
Result<void> check_storage(Call& call, Parts& parts) {
    auto report = TRY(parts.images.check(call.flag("repair"), [&](const std::string&) -> Result<void> {
        if (call.exchange().client_gone()) return fail(ErrorKind::Cancelled, "context canceled");
        return {};
    }));
    json::Array damages;
    for (auto& damage : report.damages) {
        log::warn(concat("fsck: ", damage.kind, " ", damage.name, ": ", damage.reason, damage.action.empty() ? "" : "; ", damage.action));
        damages.emplace_back(json::Object{{"Kind", damage.kind},
                                          {"Name", damage.name},
                                          {"Reason", damage.reason},
                                          {"Images", json::Value::strings(damage.images)},
                                          {"Action", damage.action}});
    }
    return call.respond_json(
        200, json::print(json::Object{{"Blobs", report.blobs}, {"Layers", report.layers}, {"Bytes", report.bytes}, {"Damage", std::move(damages)}}));
}

}  // namespace

void add_usage_routes(Router& router, Parts& parts) {
    router.post("/system/fsck", [&parts](Call& call) { return check_storage(call, parts); });
    router.get("/system/df", [&parts](Call& call) { return disk_usage(call, parts); });
    router.get("/containers/{name}/why", [&parts](Call& call) -> Result<void> {
        auto container = TRY(parts.containers.find(call.parameter("name")));
        return call.respond_json(200, json::print(TRY(engine::explain_container(parts, container))));
    });
}

}  // namespace proa::api
