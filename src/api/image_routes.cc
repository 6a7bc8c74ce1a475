#include "api/progress.h"
#include "api/request_body.h"
#include "api/routes.h"
#include "engine/images.h"
#include "engine/import_url.h"
#include "engine/prune.h"
#include "engine/pull_image.h"
#include "store/image_store.h"

namespace proa::api {

namespace {

using engine::Parts;

Result<void> list(Call& call, Parts& parts) {
    auto filters = TRY(docker::Filters::parse(call.text("filters")));
    auto images = TRY(engine::list_images(parts, filters, call.flag("all"), call.flag("shared-size")));
    for (auto& image : images) {
        if (call.version() < ApiVersion(1, 44)) image.virtual_size = image.size;
        if (call.version() < ApiVersion(1, 48)) image.descriptor.reset();
        if (call.version() >= ApiVersion(1, 47) && call.flag("manifests")) image.manifests = engine::manifest_summaries(parts, image.id);
        if (call.version() < ApiVersion(1, 43) && image.repo_tags.empty()) {
            image.repo_tags = {"<none>:<none>"};
            if (image.repo_digests.empty()) image.repo_digests = {"<none>@<none>"};
        }
    }
    return call.respond_object(200, images);
}

/// The platforms of `name=`, each a JSON object.
Result<std::vector<oci::Platform>> platforms_of(Call& call, std::string_view name) {
    std::vector<oci::Platform> platforms;
    for (auto& text : call.query().all(name)) {
        if (text.empty()) continue;
        auto decoded = json::decode<oci::Platform>(text);
        if (!decoded) return fail(ErrorKind::InvalidArgument, concat("failed to parse platform: ", decoded.error().message()));
        if (decoded->os.empty() || decoded->architecture.empty())
            return fail(ErrorKind::InvalidArgument, concat("failed to parse platform: ", text, ": os and architecture are needed"));
        platforms.push_back(decoded->normalized());
    }
    return platforms;
}

/// The same where one at most makes sense.
Result<std::optional<oci::Platform>> platform_of(Call& call) {
    auto platforms = TRY(platforms_of(call, "platform"));
    if (platforms.size() > 1) return fail(ErrorKind::InvalidArgument, "only one platform can be given");
    return platforms.empty() ? std::optional<oci::Platform>() : std::optional(platforms[0]);
}

Result<void> inspect(Call& call, Parts& parts) {
    auto platform = TRY(platform_of(call));
    if (platform && call.flag("manifests")) return fail(ErrorKind::InvalidArgument, "conflicting options: manifests and platform options cannot both be set");
    auto image = TRY(engine::inspect_image(parts, call.parameter("name"), platform));
    if (call.version() < ApiVersion(1, 44)) image.virtual_size = image.size;
    if (call.version() < ApiVersion(1, 48)) image.descriptor.reset();
    if (call.version() >= ApiVersion(1, 48) && call.flag("manifests")) image.manifests = engine::manifest_summaries(parts, image.id);
    json::Value body = json::to_value(image);
    json::Value config = body.object()["Config"];
    body.object().set("ContainerConfig", std::move(config));  // in every version, as Container: docker-compose 1.29 and docker-py look for them
    return call.respond_json(200, json::print(body));
}

Result<void> create(Call& call, Parts& parts) {
    Progress progress(call);
    std::string source = call.text("fromSrc");
    if (source.empty()) {
        std::string name = call.text("fromImage");
        if (name.empty()) return fail(ErrorKind::InvalidArgument, "invalid reference format");
        return progress.finish(engine::pull_image(parts, name, call.text("tag"), call.text("platform"), transfer_caller(call, progress)));
    }
    if (source != "-")
        return progress.finish(engine::import_from_url(parts, source, call.text("repo"), call.text("tag"), call.text("message"), call.query().all("changes"),
                                                       call.text("platform"), transfer_caller(call, progress)));
    BodySource body(call.exchange());
    auto id =
        TRY(engine::import_image(parts, body, call.text("repo"), call.text("tag"), call.text("message"), call.query().all("changes"), call.text("platform")));
    json::Object line;
    line.set("status", id);
    TRY(progress.line(line));
    return progress.finish({});
}

Result<void> load(Call& call, Parts& parts) {
    auto platforms = TRY(platforms_of(call, "platform"));
    Progress progress(call);
    BodySource body(call.exchange());
    auto loaded = engine::load_images(parts, body, call.flag("quiet"), platforms, progress.sink());
    if (!loaded && !call.exchange().response_started()) TRY(call.begin_stream("application/json"));  // Docker says it in the stream
    return progress.finish(std::move(loaded));
}

Result<void> save(Call& call, Parts& parts, const std::vector<std::string>& names) {
    if (names.empty()) return fail(ErrorKind::InvalidArgument, "no images to save");
    for (auto& name : names)
        if (auto image = parts.images.resolve(name); !image) {
            std::string text = image.error().message();
            if (name.find(':') == std::string::npos && text.ends_with(":latest")) text.resize(text.size() - 7);  // save names what was asked for
            return fail(image.error().kind(), text);
        }
    auto platforms = TRY(platforms_of(call, "platform"));
    for (auto& platform : platforms)
        for (auto& name : names)
            if (!TRY(parts.images.resolve(name))->manifest_for(platform))
                return fail(ErrorKind::NotFound,
                            concat("image with reference ", name, " was found but does not provide the specified platform (", platform.text(), ")"));
    TRY(call.begin_stream("application/x-tar"));
    codec::FunctionSink sink([&](std::string_view bytes) { return call.exchange().write_chunk(bytes); });
    TRY(parts.images.save(names, sink, platforms));
    for (auto& name : names)
        if (auto image = parts.images.resolve(name)) parts.events.publish("image", "save", (*image)->id.text(), {{"name", (*image)->id.text()}});
    return call.exchange().end_stream();
}

}  // namespace

void add_image_routes(Router& router, Parts& parts) {
    router.get("/images/json", [&parts](Call& call) { return list(call, parts); });
    router.post("/images/create", [&parts](Call& call) { return create(call, parts); });
    router.post("/images/load", [&parts](Call& call) { return load(call, parts); });
    router.post("/images/prune", [&parts](Call& call) -> Result<void> {
        auto pruned = TRY(engine::prune_images(parts, TRY(docker::Filters::parse(call.text("filters")))));
        json::Object answer;
        answer.set("ImagesDeleted", pruned.deleted ? json::to_value(*pruned.deleted) : json::Value());
        answer.set("SpaceReclaimed", pruned.reclaimed);
        return call.respond_json(200, json::print(answer));
    });
    router.get("/images/get", [&parts](Call& call) { return save(call, parts, call.query().all("names")); });
    router.get("/images/{name}/get", [&parts](Call& call) { return save(call, parts, {call.parameter("name")}); });
    router.get("/images/{name}/json", [&parts](Call& call) { return inspect(call, parts); });
    router.get("/images/{name}/history", [&parts](Call& call) -> Result<void> {
        return call.respond_object(200, TRY(engine::image_history(parts, call.parameter("name"), TRY(platform_of(call)))));
    });
    router.post("/images/{name}/tag", [&parts](Call& call) -> Result<void> {
        TRY(engine::tag_image(parts, call.parameter("name"), call.text("repo"), call.text("tag")));
        return call.respond_empty(201);
    });
    router.del("/images/{name}", [&parts](Call& call) -> Result<void> {
        if (auto platforms = TRY(platforms_of(call, "platforms")); !platforms.empty())
            return call.respond_object(200, TRY(engine::remove_image_platforms(parts, call.parameter("name"), platforms, call.flag("force"))));
        return call.respond_object(200, TRY(engine::remove_image(parts, call.parameter("name"), call.flag("force"), !call.flag("noprune"))));
    });
}

}  // namespace proa::api
