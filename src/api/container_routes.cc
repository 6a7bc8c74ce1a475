#include "api/request_body.h"
#include "api/routes.h"
#include "base/id.h"
#include "engine/create_container.h"
#include "engine/find_image.h"
#include "engine/inspect_container.h"
#include "engine/legacy_links.h"
#include "engine/list_containers.h"
#include "engine/pause_container.h"
#include "engine/prune.h"
#include "engine/publish_ports.h"
#include "engine/remove_container.h"
#include "engine/rename_container.h"
#include "engine/resize_container.h"
#include "engine/start_container.h"
#include "engine/stop_container.h"
#include "engine/top_container.h"
#include "engine/update_container.h"
#include "schema/docker/filters.h"
#include "store/image_store.h"

namespace proa::api {

void wrap_bare_texts(json::Value& body) {
    if (!body.is_object()) return;
    for (auto& member : body.object())
        if ((equals_ignoring_case(member.name, "Cmd") || equals_ignoring_case(member.name, "Entrypoint")) && member.value.is_string())
            member.value = json::Array{json::Value(member.value.as_string())};
}

namespace {

using engine::Parts;

/// Endpoints as clients of older versions know them. The short id becomes an alias with the first start: docker-compose 1.29 takes it for the
/// sign that somebody else has connected the container.
void shape_endpoints(json::Value& networks, ApiVersion version, std::string_view id, bool was_started) {
    for (auto& member : networks.object()) {
        auto& endpoint = member.value.object();
        if (version < ApiVersion(1, 48)) endpoint.erase("GwPriority");
        bool user_defined = member.name != "bridge" && member.name != "host" && member.name != "none";
        if (version < ApiVersion(1, 45) && user_defined && was_started) endpoint["Aliases"].array().emplace_back(short_id(id));
    }
}

Result<void> list(Call& call, Parts& parts) {
    engine::ListOptions options;
    options.all = call.flag("all");
    options.size = call.flag("size");
    options.limit = TRY(call.integer("limit")).value_or(0);
    options.filters = TRY(docker::Filters::parse(call.text("filters")));
    engine::ListSources sources;
    sources.image_id = [&](const std::string& reference) -> std::optional<std::string> {
        auto image = engine::find_image(parts.images, reference, "");
        return image ? std::optional(image->id) : std::nullopt;
    };
    sources.sizes = [&](const container::Record& record) {
        auto written = static_cast<int64_t>(parts.images.writable_layer_size(record.id).value_or(0));
        return std::pair{written, written + engine::image_unpacked_size(parts.images, record.image_id).value_or(0)};
    };
    engine::ListWriter writer{call.version().text(), [&](const docker::ContainerSummary& summary) {
                                  json::Value entry = json::to_value(summary);
                                  shape_endpoints(entry.object()["NetworkSettings"].object()["Networks"], call.version(), summary.id,
                                                  summary.state != "created");
                                  return json::print(entry);
                              }};
    return call.respond_json(200, TRY(engine::list_containers(parts.containers, options, sources, writer)));
}

/// Mounts as clients of older versions mean them. API: version history, 1.42 to 1.48.
Result<void> shape_mounts(docker::HostConfig& host, ApiVersion version) {
    for (auto& mount : host.mounts) {
        if (mount.type == "image" && version < ApiVersion(1, 48)) return fail(ErrorKind::InvalidArgument, "Mount type \"Image\" needs API v1.48 or newer");
        if (mount.volume_options && version < ApiVersion(1, 45)) mount.volume_options->subpath.clear();
        if (mount.bind_options && version < ApiVersion(1, 44))
            mount.bind_options->read_only_non_recursive = mount.bind_options->read_only_force_recursive = false;
        if (version >= ApiVersion(1, 42)) continue;
        if (mount.bind_options) mount.bind_options->create_mountpoint = false;
        if (mount.type != "bind") mount.bind_options.reset();
        if (mount.type != "volume") mount.volume_options.reset();
        if (mount.type != "tmpfs") mount.tmpfs_options.reset();
    }
    return {};
}

Result<void> create(Call& call, Parts& parts) {
    auto body = TRY(call.read_json(EmptyBody::Refused));
    if (!body || body->is_null() || body->as_object().empty()) return fail(ErrorKind::InvalidArgument, "config cannot be empty in order to create a container");
    wrap_bare_texts(*body);
    docker::CreateRequest request;
    if (auto decoded = json::decode(*body, request); !decoded) return fail(ErrorKind::InvalidArgument, "invalid JSON: " + decoded.error().message());
    TRY(shape_mounts(request.host_config, call.version()));
    auto created = TRY(engine::create_container(parts, std::move(request), engine::CreateOptions{call.text("name"), call.text("platform")}));
    json::Object answer;
    answer.set("Id", created.id);
    answer.set("Warnings", json::Value::strings(created.warnings));
    return call.respond_json(201, json::print(answer));
}

/// The inspect answer as `version` has it.
json::Value shape_inspect(const docker::ContainerInspect& view, ApiVersion version) {
    json::Value body = json::to_value(view);
    shape_endpoints(body.object()["NetworkSettings"].object()["Networks"], version, view.id, !view.state.started_at.is_zero());
    if (version < ApiVersion(1, 48)) body.object().erase("ImageManifestDescriptor");
    return body;
}

Result<void> inspect(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    auto view = TRY(engine::inspect_container(parts, *container, call.flag("size")));
    return call.respond_json(200, json::print(shape_inspect(view, call.version())));
}

Result<void> start(Call& call, Parts& parts) {
    auto body = TRY(call.exchange().read_whole_body(1 << 20));
    if (body.size() > 7)
        return fail(ErrorKind::InvalidArgument, "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
    auto container = TRY(parts.containers.find(call.parameter("name")));
    TRY(engine::start_container(parts, container));
    return call.respond_empty(204);
}

Result<engine::StopOptions> stop_options(Call& call) {
    engine::StopOptions options;
    options.signal = call.text("signal");
    options.timeout_seconds = TRY(call.integer("t"));
    return options;
}

Result<void> stop(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    TRY(engine::stop_container(parts, container, TRY(stop_options(call))));
    return call.respond_empty(204);
}

Result<void> restart(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    TRY(engine::restart_container(parts, container, TRY(stop_options(call))));
    return call.respond_empty(204);
}

Result<void> kill(Call& call, Parts& parts) {
    auto& name = call.parameter("name");
    auto container = TRY_WRAP(concat("cannot kill container: ", name), parts.containers.find(name));
    TRY(engine::kill_container(parts, container, call.text("signal")));
    return call.respond_empty(204);
}

Result<void> remove(Call& call, Parts& parts) {
    if (call.flag("link")) {
        TRY(engine::remove_link(parts, call.parameter("name")));
        return call.respond_empty(204);
    }
    auto container = TRY(parts.containers.find(call.parameter("name")));
    TRY(engine::remove_container(parts, container, engine::RemoveOptions{call.flag("force"), call.flag("v")}));
    return call.respond_empty(204);
}

Result<void> resize(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    auto size = TRY(engine::parse_window_size(call.text("h"), call.text("w")));
    TRY(engine::resize_container(parts, container, size));
    return call.respond_empty(200);
}

Result<void> top(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    auto table = TRY(engine::top_container(parts, container, call.text("ps_args")));
    json::Array processes;
    for (auto& row : table.processes) processes.push_back(json::Value::strings(row));
    json::Object answer;
    answer.set("Processes", std::move(processes));
    answer.set("Titles", json::Value::strings(table.titles));
    return call.respond_json(200, json::print(answer));
}

}  // namespace

void add_container_routes(Router& router, Parts& parts) {
    auto bind = [&parts](auto handler) { return [&parts, handler](Call& call) { return handler(call, parts); }; };
    router.get("/containers/json", bind(list));
    router.post("/containers/create", bind(create));
    router.get("/containers/{name}/json", bind(inspect));
    router.post("/containers/{name}/start", bind(start));
    router.post("/containers/{name}/stop", bind(stop));
    router.post("/containers/{name}/restart", bind(restart));
    router.post("/containers/{name}/kill", bind(kill));
    router.post("/containers/{name}/resize", bind(resize));
    router.get("/containers/{name}/top", bind(top));
    router.del("/containers/{name}", bind(remove));
    router.post("/containers/{name}/update", [&parts](Call& call) -> Result<void> {
        docker::HostConfig wanted;
        engine::PortChanges ports;
        auto body = TRY(call.read_json(EmptyBody::Allowed));
        for (auto decoded : {body ? json::decode(*body, wanted) : Result<void>(), body ? json::decode(*body, ports) : Result<void>()})
            if (!decoded) return fail(ErrorKind::InvalidArgument, "invalid JSON: " + decoded.error().message());
        auto container = TRY(parts.containers.find(call.parameter("name")));
        auto warnings = TRY(engine::update_container(parts, container, wanted));
        TRY(engine::change_published_ports(parts, container, ports));
        json::Object answer;
        answer.set("Warnings", warnings.empty() ? json::Value() : json::Value::strings(warnings));
        return call.respond_json(200, json::print(answer));
    });
    router.post("/containers/prune", [&parts](Call& call) -> Result<void> {
        auto pruned = TRY(engine::prune_containers(parts, TRY(docker::Filters::parse(call.text("filters")))));
        json::Object answer;
        answer.set("ContainersDeleted", pruned.deleted ? json::Value::strings(*pruned.deleted) : json::Value());
        answer.set("SpaceReclaimed", pruned.reclaimed);
        return call.respond_json(200, json::print(answer));
    });
    router.post("/containers/{name}/pause", [&parts](Call& call) -> Result<void> {
        TRY(engine::pause_container(parts, TRY(parts.containers.find(call.parameter("name")))));
        return call.respond_empty(204);
    });
    router.post("/containers/{name}/unpause", [&parts](Call& call) -> Result<void> {
        TRY(engine::unpause_container(parts, TRY(parts.containers.find(call.parameter("name")))));
        return call.respond_empty(204);
    });
    router.post("/containers/{name}/rename", [&parts](Call& call) -> Result<void> {
        TRY(engine::rename_container(parts, TRY(parts.containers.find(call.parameter("name"))), call.text("name")));
        return call.respond_empty(204);
    });
}

}  // namespace proa::api
