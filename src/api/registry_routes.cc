#include "api/progress.h"
#include "api/routes.h"
#include "engine/ask_registry.h"
#include "engine/pull_image.h"
#include "engine/push_image.h"
#include "schema/docker/filters.h"

// What passes between the engine and registries.
namespace proa::api {

namespace {

using engine::Parts;

registry::Credentials credentials_of(const Call& call) { return registry::Credentials::from_header(call.request().headers.get("X-Registry-Auth")); }
std::string agent_of(const Call& call) { return std::string(call.request().headers.get("User-Agent")); }

Result<void> push(Call& call, Parts& parts) {
    Progress progress(call);
    std::optional<oci::Platform> platform;
    if (std::string text = call.text("platform"); !text.empty()) {
        auto decoded = json::decode<oci::Platform>(text);
        if (!decoded) return fail(ErrorKind::InvalidArgument, concat("failed to parse platform: ", decoded.error().message()));
        platform = *decoded;
    }
    return progress.finish(engine::push_image(parts, call.parameter("name"), call.text("tag"), platform, transfer_caller(call, progress)));
}

Result<void> log_in(Call& call, Parts& parts) {
    auto body = TRY(call.read_json(EmptyBody::Refused));
    auto credentials = registry::Credentials::from_json(json::print(*body));
    if (!credentials) return fail(ErrorKind::InvalidArgument, "the body is no JSON object");
    auto answer = TRY(engine::log_in(parts, *credentials, agent_of(call)));
    return call.respond_json(200, json::print(json::Object{{"Status", "Login Succeeded"}, {"IdentityToken", answer.identity_token}}));
}

Result<void> search(Call& call, Parts& parts) {
    engine::SearchQuery query;
    query.term = call.text("term");
    if (auto limit = TRY(call.integer("limit")); limit && *limit != 0) query.limit = *limit;
    if (query.limit < 1 || query.limit > 100) return fail(ErrorKind::InvalidArgument, concat("limit ", query.limit, " is outside the range of [1, 100]"));
    auto filters = TRY(docker::Filters::parse(call.text("filters")));
    TRY(filters.check_names({"is-official", "is-automated", "stars"}));
    if (filters.has("is-official")) query.official = TRY(filters.boolean("is-official", false));
    if (filters.has("is-automated")) query.automated = TRY(filters.boolean("is-automated", false));
    for (auto& text : filters.values("stars")) {
        auto stars = parse_int(text);
        if (!stars) return fail(ErrorKind::InvalidArgument, concat("invalid filter 'stars=", text, "'"));
        query.stars = std::max(query.stars, *stars);
    }
    return call.respond_json(200, json::print(json::Value(TRY(engine::search_images(parts, query, credentials_of(call), agent_of(call))))));
}

Result<void> distribution(Call& call, Parts& parts) {
    auto answer = TRY(engine::inspect_distribution(parts, call.parameter("name"), credentials_of(call), agent_of(call)));
    json::Object document;
    document.set("Descriptor", json::to_value(answer.descriptor));
    json::Array platforms;
    for (auto& platform : answer.platforms) platforms.push_back(json::to_value(platform));
    document.set("Platforms", std::move(platforms));
    return call.respond_json(200, json::print(document));
}

}  // namespace

void add_registry_routes(Router& router, Parts& parts) {
    router.post("/images/{name}/push", [&parts](Call& call) { return push(call, parts); });
    router.post("/auth", [&parts](Call& call) { return log_in(call, parts); });
    router.get("/images/search", [&parts](Call& call) { return search(call, parts); });
    router.get("/distribution/{name}/json", [&parts](Call& call) { return distribution(call, parts); });
}

}  // namespace proa::api
