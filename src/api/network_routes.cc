#include "api/routes.h"
#include "engine/connect_container.h"
#include "engine/create_network.h"
#include "engine/inspect_network.h"
#include "engine/remove_network.h"
#include "schema/docker/filters.h"

namespace proa::api {

namespace {

using engine::Parts;

json::Value shape(const docker::Network& network, ApiVersion version) {
    json::Value body = json::to_value(network);
    if (version < ApiVersion(1, 47)) body.object().erase("EnableIPv4");
    return body;
}

Result<void> list(Call& call, Parts& parts) {
    json::Array all;
    for (auto& network : TRY(engine::list_networks(parts, TRY(docker::Filters::parse(call.text("filters")))))) all.push_back(shape(network, call.version()));
    return call.respond_json(200, json::print(json::Value(std::move(all))));
}

Result<void> inspect(Call& call, Parts& parts) {
    auto scope = call.text("scope");
    auto network = TRY(parts.network.find(call.parameter("id")));
    if (!scope.empty() && scope != network->shown().scope) return fail(ErrorKind::NotFound, concat("network ", call.parameter("id"), " not found"));
    return call.respond_json(200, json::print(shape(engine::inspect_network(parts, network), call.version())));
}

Result<void> create(Call& call, Parts& parts) {
    docker::Network request;
    TRY(call.read_json_into(request, EmptyBody::Refused));
    auto created = TRY(engine::create_network(parts, std::move(request)));
    return call.respond_json(201, json::print(json::Value(json::Object{{"Id", created.id}, {"Warning", created.warning}})));
}

Result<void> remove(Call& call, Parts& parts) {
    TRY(engine::remove_network(parts, call.parameter("id")));
    return call.respond_empty(204);
}

Result<void> connect(Call& call, Parts& parts) {
    docker::NetworkConnect request;
    TRY(call.read_json_into(request, EmptyBody::Refused));
    TRY(parts.network.find(call.parameter("id")));
    auto container = TRY(parts.containers.find(request.container));
    TRY(engine::connect_container(parts, call.parameter("id"), container, request.endpoint_config.value_or(docker::EndpointSettings())));
    return call.respond_empty(200);
}

Result<void> disconnect(Call& call, Parts& parts) {
    docker::NetworkDisconnect request;
    TRY(call.read_json_into(request, EmptyBody::Refused));
    auto container = TRY(parts.containers.find(request.container));
    TRY(engine::disconnect_container(parts, call.parameter("id"), container));
    return call.respond_empty(200);
}

Result<void> prune(Call& call, Parts& parts) {
    auto removed = TRY(engine::prune_networks(parts, TRY(docker::Filters::parse(call.text("filters")))));
    json::Object answer;
    answer.set("NetworksDeleted", removed ? json::Value::strings(*removed) : json::Value());
    return call.respond_json(200, json::print(answer));
}

}  // namespace

void add_network_routes(Router& router, Parts& parts) {
    auto bind = [&parts](Result<void> (*handler)(Call&, Parts&)) { return [&parts, handler](Call& call) { return handler(call, parts); }; };
    router.get("/networks", bind(list));
    router.get("/networks/", bind(list));
    router.get("/networks/{id}", bind(inspect));
    router.del("/networks/{id}", bind(remove));
    router.post("/networks/create", bind(create));
    router.post("/networks/prune", bind(prune));
    router.post("/networks/{id}/connect", bind(connect));
    router.post("/networks/{id}/disconnect", bind(disconnect));
}

}  // namespace proa::api
