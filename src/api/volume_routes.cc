#include "api/request_body.h"
#include "api/routes.h"
#include "engine/volume_archives.h"
#include "engine/volumes.h"

namespace proa::api {

namespace {

using engine::Parts;

Result<void> list(Call& call, Parts& parts) {
    std::vector<std::string> warnings;
    auto volumes = TRY(engine::list_volumes(parts, TRY(docker::Filters::parse(call.text("filters"))), &warnings));
    json::Array items;
    for (auto& volume : volumes) items.push_back(json::to_value(volume));
    json::Object answer;
    answer.set("Volumes", std::move(items));
    answer.set("Warnings", warnings.empty() ? json::Value() : json::Value::strings(warnings));
    return call.respond_json(200, json::print(answer));
}

Result<void> create(Call& call, Parts& parts) {
    docker::VolumeCreateRequest request;
    TRY(call.read_json_into(request, EmptyBody::Allowed));
    if (!request.cluster_spec.is_null()) return fail(ErrorKind::Unavailable, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
    volume::CreateOptions options;
    options.name = request.name;
    options.driver = request.driver;
    options.options = request.driver_opts;
    options.labels = request.labels;
    return call.respond_object(201, TRY(engine::create_volume(parts, options)));
}

Result<void> prune(Call& call, Parts& parts) {
    auto filters = TRY(docker::Filters::parse(call.text("filters")));
    bool old = call.version() < ApiVersion(1, 42);
    if (old) TRY(filters.check_names({"label", "label!"}));
    auto pruned = TRY(engine::prune_volumes(parts, filters, old));
    json::Object answer;
    answer.set("VolumesDeleted", json::Value::strings(pruned.deleted));
    answer.set("SpaceReclaimed", pruned.reclaimed);
    return call.respond_json(200, json::print(answer));
}

/// Body of our own routes: the name of the volume to make.
Result<std::string> target_name(Call& call) {
    auto body = TRY(call.read_json(EmptyBody::Allowed));
    return body ? (*body)["Name"].as_string() : std::string();
}

}  // namespace

void add_volume_routes(Router& router, Parts& parts) {
    router.get("/volumes", [&parts](Call& call) { return list(call, parts); });
    router.post("/volumes/create", [&parts](Call& call) { return create(call, parts); });
    router.post("/volumes/prune", [&parts](Call& call) { return prune(call, parts); });
    router.get("/volumes/{name}", [&parts](Call& call) -> Result<void> {
        return call.respond_object(200, TRY(parts.volumes.find(call.parameter("name"))));
    });
    router.del("/volumes/{name}", [&parts](Call& call) -> Result<void> {
        TRY(engine::remove_volume(parts, call.parameter("name"), call.flag("force")));
        return call.respond_empty(204);
    });
    router.put("/volumes/{name}", [&parts](Call& call) -> Result<void> {
        TRY(parts.volumes.find(call.parameter("name")));
        return fail(ErrorKind::Unavailable, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
    });
    router.post("/volumes/{name}/snapshot", [&parts](Call& call) -> Result<void> {
        return call.respond_object(201, TRY(engine::copy_volume(parts, call.parameter("name"), TRY(target_name(call)), true)));
    });
    router.post("/volumes/{name}/clone", [&parts](Call& call) -> Result<void> {
        return call.respond_object(201, TRY(engine::copy_volume(parts, call.parameter("name"), TRY(target_name(call)), false)));
    });
    router.get("/volumes/{name}/export", [&parts](Call& call) -> Result<void> {
        codec::FunctionSink chunks([&](std::string_view bytes) { return call.exchange().write_chunk(bytes); });
        TRY(engine::export_volume(parts, call.parameter("name"), [&] { return call.begin_stream("application/x-tar"); }, chunks));
        return call.exchange().end_stream();
    });
    router.post("/volumes/{name}/import", [&parts](Call& call) -> Result<void> {
        BodySource body(call.exchange());
        return call.respond_object(201, TRY(engine::import_volume(parts, call.parameter("name"), body)));
    });
    router.post("/volumes/{name}/rename", [&parts](Call& call) -> Result<void> {
        return call.respond_object(200, TRY(engine::rename_volume(parts, call.parameter("name"), TRY(target_name(call)))));
    });
}

}  // namespace proa::api
