#include "api/routes.h"
#include "engine/find_image.h"

// What this engine has not and clients ask for all the same: they get the answers of a Docker that has none either.
namespace proa::api {

namespace {

Result<void> no_swarm(Call&) {
    return fail(ErrorKind::Unavailable, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
}

Result<void> swarm_is_unsupported(Call&) { return fail(ErrorKind::Unsupported, "swarm mode is not supported by this engine"); }

Result<void> no_plugin(Call& call) { return fail(ErrorKind::NotFound, concat("plugin ", quote(call.parameter("name")), " not found")); }

Result<void> plugins_are_unsupported(Call&) {
    return fail(ErrorKind::Unsupported, "managed plugins are not supported by this engine: volume drivers are found by their sockets in /run/docker/plugins");
}

void add_swarm_routes(Router& router) {
    for (auto path : {"/swarm", "/swarm/unlockkey"}) router.get(path, no_swarm);
    for (std::string kind : {"/services", "/tasks", "/nodes", "/secrets", "/configs"}) {
        router.get(kind, no_swarm);
        router.get(kind + "/{id}", no_swarm);
    }
    for (std::string kind : {"/services", "/nodes", "/secrets", "/configs"}) {
        router.del(kind + "/{id}", no_swarm);
        router.post(kind + "/{id}/update", no_swarm);
    }
    for (std::string kind : {"/services", "/tasks"}) router.get(kind + "/{id}/logs", no_swarm);
    for (auto path : {"/services/create", "/secrets/create", "/configs/create", "/swarm/update", "/swarm/unlock"}) router.post(path, no_swarm);
    router.post("/swarm/leave", [](Call&) -> Result<void> { return fail(ErrorKind::Unavailable, "This node is not part of a swarm"); });
    router.post("/swarm/init", swarm_is_unsupported);
    router.post("/swarm/join", swarm_is_unsupported);
}

void add_plugin_routes(Router& router) {
    router.get("/plugins", [](Call& call) -> Result<void> { return call.respond_json(200, "[]"); });
    router.get("/plugins/privileges", plugins_are_unsupported);
    router.post("/plugins/pull", plugins_are_unsupported);
    router.post("/plugins/create", plugins_are_unsupported);
    router.get("/plugins/{name}/json", no_plugin);
    router.del("/plugins/{name}", no_plugin);
    for (std::string act : {"enable", "disable", "upgrade", "push", "set"}) router.post("/plugins/{name}/" + act, no_plugin);
}

}  // namespace

void add_absent_routes(Router& router, engine::Parts& parts) {
    add_swarm_routes(router);
    add_plugin_routes(router);
    router.get("/images/{name}/attestations", [&parts](Call& call) -> Result<void> {
        TRY(engine::find_image(parts.images, call.parameter("name"), ""));
        return fail(ErrorKind::Unsupported, "attestations are not supported by this engine: pulls leave them in the registry");
    });
}

}  // namespace proa::api
