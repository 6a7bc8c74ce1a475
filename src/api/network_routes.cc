#include "api/routes.h"
#include "engine/system_info.h"
#include "schema/docker/filters.h"

namespace proa::api {

namespace {

using engine::Parts;

Result<void> list(Call& call, Parts& parts) {
    auto filters = TRY(docker::Filters::parse(call.text("filters")));
    TRY(filters.check_names({"dangling", "driver", "id", "label", "label!", "name", "scope", "type"}));
    bool dangling_only = TRY(filters.boolean("dangling", false));
    std::vector<docker::Network> matching;
    for (auto& network : engine::list_networks(parts, false)) {
        auto contains = [&](std::string_view name, const std::string& text) {
            auto& wanted = filters.values(name);
            return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](auto& value) { return text.find(value) != std::string::npos; });
        };
        bool matches = filters.matches("driver", network.driver) && contains("id", network.id) && contains("name", network.name) &&
                       filters.matches("scope", network.scope) && filters.matches("type", "builtin") && filters.matches_labels(network.labels) && !dangling_only;
        if (matches) matching.push_back(std::move(network));
    }
    return call.respond_object(200, matching);
}

Result<void> inspect(Call& call, Parts& parts) {
    auto& wanted = call.parameter("id");
    for (auto& network : engine::list_networks(parts, true))
        if (network.name == wanted || network.id == wanted || (wanted.size() >= 3 && network.id.starts_with(wanted))) return call.respond_object(200, network);
    return fail(ErrorKind::NotFound, concat("network ", wanted, " not found"));
}

}  // namespace

void add_network_routes(Router& router, Parts& parts) {
    router.get("/networks", [&parts](Call& call) { return list(call, parts); });
    router.get("/networks/", [&parts](Call& call) { return list(call, parts); });
    router.get("/networks/{id}", [&parts](Call& call) { return inspect(call, parts); });
    router.del("/networks/{id}", [&parts](Call& call) -> Result<void> {
        for (auto& network : engine::list_networks(parts, false))
            if (network.name == call.parameter("id") || network.id == call.parameter("id"))
                return fail(ErrorKind::Forbidden, concat(network.name, " is a pre-defined network and cannot be removed"));
        return fail(ErrorKind::NotFound, concat("network ", call.parameter("id"), " not found"));
    });
    router.post("/networks/create", [](Call&) -> Result<void> { return fail(ErrorKind::Unsupported, "user-defined networks are not supported yet by this engine"); });
}

}  // namespace proa::api
