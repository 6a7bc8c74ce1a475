#include "api/request_body.h"
#include "api/routes.h"
#include "engine/commit_container.h"
#include "store/image_store.h"
#include "store/layer_diff.h"

namespace proa::api {

namespace {

using engine::Parts;

/// `docker diff`.
Result<void> changes(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    auto lower = TRY(parts.images.lower_directories_of(container->id()));
    json::Array list;
    for (auto& change : TRY(store::layer_changes(parts.images.writable_layer(container->id()).upper, lower))) {
        json::Object entry;
        entry.set("Path", change.path);
        entry.set("Kind", static_cast<int64_t>(change.kind));  // 0 modified, 1 added, 2 deleted
        list.emplace_back(std::move(entry));
    }
    return call.respond_json(200, list.empty() ? "null" : json::print(list));
}

Result<void> commit(Call& call, Parts& parts) {
    engine::CommitOptions options;
    options.repository = call.text("repo");
    options.tag = call.text("tag");
    options.comment = call.text("comment");
    options.author = call.text("author");
    options.pause = call.flag_or("pause", true);
    options.changes = call.query().all("changes");
    auto body = TRY(call.read_json(EmptyBody::Allowed));
    if (body && !body->is_null() && !body->as_object().empty()) {
        wrap_bare_texts(*body);
        docker::ContainerConfig config;
        if (auto decoded = json::decode(*body, config); !decoded) return fail(ErrorKind::InvalidArgument, "invalid JSON: " + decoded.error().message());
        options.config = std::move(config);
    }
    auto container = TRY(parts.containers.find(call.text("container")));
    json::Object answer;
    answer.set("Id", TRY(engine::commit_container(parts, container, options)));
    return call.respond_json(201, json::print(answer));
}

}  // namespace

void add_file_routes(Router& router, Parts& parts) {
    router.get("/containers/{name}/changes", [&parts](Call& call) { return changes(call, parts); });
    router.post("/commit", [&parts](Call& call) { return commit(call, parts); });
}

}  // namespace proa::api
