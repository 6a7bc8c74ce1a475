#include "api/request_body.h"
#include "api/routes.h"
#include "engine/build_cache.h"
#include "engine/build_image.h"
#include "engine/build_mount_archives.h"

namespace proa::api {

namespace {

using engine::Parts;

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<json::Value> json_parameter(const Call& call, std::string_view name) {
    std::string text = call.text(name);
    if (text.empty()) return json::Value();
    auto value = json::parse(text);
    if (!value) return invalid(concat("error reading ", name, ": ", value.error().message()));
    return value;
}

Result<void> read_map(const Call& call, std::string_view name, const std::function<void(const std::string&, const json::Value&)>& take) {
    auto value = TRY(json_parameter(call, name));
    if (value.is_null()) return {};
    if (!value.is_object())
        return invalid(concat("error reading ", name, ": json: cannot unmarshal ", value.type_name(), " into Go value of type map[string]string"));
    for (auto& [key, item] : value.as_object()) {
        if (!item.is_string() && !item.is_null())
            return invalid(concat("error reading ", name, ": json: cannot unmarshal ", item.type_name(), " into Go value of type string"));
        take(key, item);
    }
    return {};
}

Result<void> read_limits(const Call& call, docker::HostConfig& host) {
    auto& resources = host.resources;
    for (auto& [name, target] : {std::pair{"memory", &resources.memory},
                                 {"memswap", &resources.memory_swap},
                                 {"cpushares", &resources.cpu_shares},
                                 {"cpuperiod", &resources.cpu_period},
                                 {"cpuquota", &resources.cpu_quota},
                                 {"shmsize", &host.shm_size}})
        *target = call.integer_or_zero(name);
    resources.cpuset_cpus = call.text("cpusetcpus");
    resources.cpuset_mems = call.text("cpusetmems");
    resources.cgroup_parent = call.text("cgroupparent");
    auto ulimits = TRY(json_parameter(call, "ulimits"));
    if (!ulimits.is_null()) {
        std::vector<docker::Ulimit> limits;
        if (auto decoded = json::decode(ulimits, limits); !decoded) return invalid(concat("error reading ulimit settings: ", decoded.error().message()));
        if (!limits.empty()) resources.ulimits = std::move(limits);
    }
    return {};
}

/// What docker's own parameters cannot say: secrets, agents, entitlements. Formats: docs/formats/build-cache.md
Result<void> read_extension(const Call& call, engine::BuildRequest& request) {
    auto header = call.request().headers.get("X-Proa-Build");
    if (header.empty()) return {};
    auto text = from_base64(header);
    auto value = text ? json::parse(*text) : Result<json::Value>(invalid("it is no base64"));
    if (!value) return invalid(concat("invalid X-Proa-Build header: ", value.error().message()));
    for (auto& [id, secret] : (*value)["secrets"].as_object()) request.secrets[id] = from_base64(secret.as_string()).value_or("");
    for (auto& [id, path] : (*value)["ssh"].as_object()) request.ssh[id] = path.as_string();
    for (auto& name : (*value)["noCacheFilter"].as_array()) request.no_cache_stages.push_back(name.as_string());
    for (auto& name : (*value)["allow"].as_array()) request.allowed.insert(name.as_string());
    auto& directory = (*value)["directory"];
    request.directory = directory["path"].as_string();
    request.directory_device = parse_uint(directory["device"].as_string()).value_or(0);
    request.directory_inode = parse_uint(directory["inode"].as_string()).value_or(0);
    for (auto& name : (*value)["cacheFrom"].as_array()) request.cache_images.push_back(name.as_string());
    for (auto& [name, place] : (*value)["contexts"].as_object()) request.contexts[name] = place.as_string();
    request.live = (*value)["live"].as_bool();
    request.explain = (*value)["explain"].as_bool();
    return {};
}

/// X-Registry-Config: what the client knows about itself, by registry. What cannot be read is nothing, as in Docker.
void read_credentials(const Call& call, engine::BuildRequest& request) {
    auto text = from_base64(call.request().headers.get("X-Registry-Config"));
    auto value = text ? json::parse(*text) : Result<json::Value>(json::Value());
    if (!value || !value->is_object()) return;
    for (auto& [name, item] : value->as_object())
        if (auto known = registry::Credentials::from_json(json::print(item))) request.credentials[name] = *known;
}

Result<void> refuse_what_is_missing(const Call& call) {
    auto refuse = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    std::string version = call.text("version");
    if (version == "2")
        return refuse(
            "BuildKit is not part of this engine, which builds itself: unset DOCKER_BUILDKIT or set DOCKER_BUILDKIT=0, or use the classic API (version=1)");
    if (!version.empty() && version != "1") return refuse(concat("invalid version ", version));
    if (call.flag("squash")) return refuse("squash is not supported by this engine");
    if (!call.text("outputs").empty() && call.text("outputs") != "null" && call.text("outputs") != "[]")
        return refuse("outputs is not supported by this engine's API: export the image that was built");
    std::string isolation = to_lower(call.text("isolation"));
    if (!isolation.empty() && isolation != "default") return refuse(concat("unsupported isolation: ", quote(call.text("isolation"))));
    if (!call.text("session").empty() && call.text("remote") == "client-session")
        return refuse("client-session contexts need BuildKit, which is not part of this engine");
    return {};
}

Result<engine::BuildRequest> read_request(const Call& call) {
    TRY(refuse_what_is_missing(call));
    engine::BuildRequest request;
    request.remote = call.text("remote");
    request.dockerfile = call.text("dockerfile");
    request.tags = call.query().all("t");
    request.quiet = call.flag("q");
    request.no_cache = call.flag("nocache");
    request.pull = call.flag("pull");
    request.force_remove = call.flag("forcerm");
    request.remove = request.force_remove || call.text("rm").empty() || call.flag("rm");
    request.target = call.text("target");
    request.platform = call.text("platform");
    TRY(read_map(call, "buildargs",
                 [&](auto& name, auto& value) { request.arguments[name] = value.is_null() ? std::nullopt : std::optional(value.as_string()); }));
    TRY(read_map(call, "labels", [&](auto& name, auto& value) { request.labels[name] = value.as_string(); }));
    auto cache_from = TRY(json_parameter(call, "cachefrom"));
    for (auto& name : cache_from.as_array()) request.cache_from.push_back(name.as_string());
    request.host.network_mode = call.text("networkmode");
    if (auto hosts = call.query().all("extrahosts"); !hosts.empty()) request.host.extra_hosts = hosts;
    if (auto options = call.query().all("securityopt"); !options.empty()) request.host.security_opt = options;
    TRY(read_limits(call, request.host));
    TRY(read_extension(call, request));
    read_credentials(call, request);
    return request;
}

Result<void> build(Call& call, Parts& parts) {
    auto request = TRY(read_request(call));
    auto& exchange = call.exchange();
    BodySource body(exchange);
    engine::BuildListener listener;
    listener.line = [&](const json::Object& object) -> Result<void> {
        if (!exchange.response_started()) TRY(call.begin_stream("application/json"));
        return exchange.write_chunk(json::print(object, json::Style{true, ""}) + "\r\n");
    };
    listener.cancelled = [&] { return exchange.client_gone(); };
    engine::BuildOutcome outcome;
    auto built = engine::build_image(parts, request, body, listener, outcome);
    if (!built) {
        if (!exchange.response_started()) return built;
        json::Object detail, object;
        if (outcome.exit_code != 0) detail.set("code", outcome.exit_code);
        detail.set("message", built.error().message());
        object.set("errorDetail", std::move(detail));
        object.set("error", built.error().message());
        TRY(listener.line(object));
    }
    if (!exchange.response_started()) TRY(call.begin_stream("application/json"));
    return exchange.end_stream();
}

Result<void> prune(Call& call, Parts& parts) {
    engine::PruneBuildOptions options;
    options.all = call.flag("all");
    options.filters = TRY(docker::Filters::parse(call.text("filters")));
    for (auto& [name, target] : {std::pair{"keep-storage", &options.reserved_bytes},
                                 {"reserved-space", &options.reserved_bytes},
                                 {"max-used-space", &options.used_max_bytes},
                                 {"min-free-space", &options.free_min_bytes}})
        if (auto bytes = TRY(call.integer(name))) *target = *bytes;
    auto pruned = TRY(engine::prune_build_cache(parts, options));
    json::Object answer;
    answer.set("CachesDeleted", pruned.deleted.empty() ? json::Value() : json::Value::strings(pruned.deleted));
    answer.set("SpaceReclaimed", pruned.reclaimed);
    return call.respond_json(200, json::print(answer));
}

Result<void> export_mount(Call& call, Parts& parts) {
    codec::FunctionSink chunks([&](std::string_view bytes) { return call.exchange().write_chunk(bytes); });
    TRY(engine::export_build_mount(parts, call.text("id"), [&] { return call.begin_stream("application/x-tar"); }, chunks));
    return call.exchange().end_stream();
}

Result<void> import_mount(Call& call, Parts& parts) {
    BodySource body(call.exchange());
    TRY(engine::import_build_mount(parts, call.text("id"), body, [&] { return !call.exchange().client_gone(); }));
    return call.respond_empty(204);
}

}  // namespace

void add_build_routes(Router& router, Parts& parts) {
    router.post("/build", [&parts](Call& call) { return build(call, parts); });
    router.post("/build/prune", [&parts](Call& call) { return prune(call, parts); });
    router.get("/build/mounts/export", [&parts](Call& call) { return export_mount(call, parts); });
    router.post("/build/mounts/import", [&parts](Call& call) { return import_mount(call, parts); });
    router.post("/build/cancel", [](Call& call) -> Result<void> {
        if (call.text("id").empty()) return invalid("build ID not provided");
        return call.respond_empty(200);  // builds end with their connection; one of that name there is none
    });
}

}  // namespace proa::api
