#include "api/routes.h"
#include "engine/settings.h"
#include "engine/system_info.h"

namespace proa::api {

namespace {

using engine::Parts;

Result<void> ping(Call& call, bool body) {
    auto& headers = call.headers();
    headers.set("Builder-Version", "1");
    headers.set("Swarm", "inactive");
    headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    headers.set("Pragma", "no-cache");
    headers.set("Content-Type", "text/plain; charset=utf-8");
    return call.exchange().respond(200, headers, body ? "OK" : "");
}

Result<void> no_swarm() {
    return fail(ErrorKind::Unavailable, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
}

/// Swarm's routes answer what a node outside any swarm says: tools ask and expect it.
void add_swarm_routes(Router& router) {
    for (auto path : {"/swarm", "/swarm/unlockkey", "/services", "/tasks", "/nodes", "/secrets", "/configs"})
        router.get(path, [](Call&) { return no_swarm(); });
    for (auto path : {"/services/{id}", "/tasks/{id}", "/nodes/{id}", "/secrets/{id}", "/configs/{id}"})
        router.get(path, [](Call&) { return no_swarm(); });
    for (auto path : {"/services/create", "/secrets/create", "/configs/create", "/swarm/update", "/swarm/unlock"})
        router.post(path, [](Call&) { return no_swarm(); });
    router.post("/swarm/leave", [](Call&) -> Result<void> { return fail(ErrorKind::Unavailable, "This node is not part of a swarm"); });
    router.post("/swarm/init", [](Call&) -> Result<void> { return fail(ErrorKind::Unsupported, "swarm mode is not supported by this engine"); });
    router.post("/swarm/join", [](Call&) -> Result<void> { return fail(ErrorKind::Unsupported, "swarm mode is not supported by this engine"); });
}

}  // namespace

void add_system_routes(Router& router, Parts& parts) {
    router.get("/_ping", [](Call& call) { return ping(call, true); });
    router.head("/_ping", [](Call& call) { return ping(call, false); });
    router.get("/version", [&parts](Call& call) -> Result<void> {
        return call.respond_object(200, engine::version_of(kApiVersionMax.text(), parts.settings()->min_api_version));
    });
    router.get("/info", [&parts](Call& call) -> Result<void> { return call.respond_json(200, json::print(TRY(engine::system_info(parts)))); });
    router.get("/plugins", [](Call& call) -> Result<void> { return call.respond_json(200, "[]"); });
    add_swarm_routes(router);
}

}  // namespace proa::api
