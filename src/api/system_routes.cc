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

}  // namespace

void add_system_routes(Router& router, Parts& parts) {
    router.get("/_ping", [](Call& call) { return ping(call, true); });
    router.head("/_ping", [](Call& call) { return ping(call, false); });
    router.get("/version", [&parts](Call& call) -> Result<void> {
        return call.respond_object(200, engine::version_of(kApiVersionMax.text(), parts.settings()->min_api_version));
    });
    router.get("/info", [&parts](Call& call) -> Result<void> { return call.respond_json(200, json::print(TRY(engine::system_info(parts)))); });
}

}  // namespace proa::api
