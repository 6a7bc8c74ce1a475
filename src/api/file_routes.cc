#include "api/request_body.h"
#include "api/routes.h"
#include "codec/compression.h"
#include "engine/commit_container.h"
#include "engine/container_archive.h"
#include "store/image_store.h"

namespace proa::api {

namespace {

using engine::Parts;

/// `docker diff`.
Result<void> changes(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    json::Array list;
    for (auto& change : TRY(parts.images.container_changes(container->id()))) {
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

std::string stat_header(const archive::PathStat& stat) {
    json::Object object;
    object.set("name", stat.name);
    object.set("size", stat.size);
    object.set("mode", static_cast<int64_t>(stat.mode));
    object.set("mtime", rfc3339_nano({stat.modified_seconds, static_cast<int32_t>(stat.modified_nanoseconds)}));
    object.set("linkTarget", stat.link_target);
    return base64(json::print(object));
}

constexpr const char* kStatHeader = "X-Docker-Container-Path-Stat";

Result<void> stat_path(Call& call, Parts& parts) {
    auto& name = call.parameter("name");
    auto container = TRY(parts.containers.find(name));
    call.headers().set(kStatHeader, stat_header(TRY(engine::stat_container_path(parts, container, name, call.text("path")))));
    return call.respond_empty(200);
}

/// Chunks of the answer, compressed when the client takes that.
class TarAnswer : public codec::Sink {
public:
    explicit TarAnswer(Call& call) : call_(call), chunks_([&call](std::string_view bytes) { return call.exchange().write_chunk(bytes); }) {}
    Result<void> begin() {
        if (std::string_view(call_.request().headers.get("Accept-Encoding")).find("gzip") != std::string_view::npos) {
            call_.headers().set("Content-Encoding", "gzip");
            packed_ = codec::gzip_compressor(chunks_, 1);
        }
        return call_.begin_stream("application/x-tar");
    }
    Result<void> write(std::string_view bytes) override { return packed_ ? packed_->write(bytes) : chunks_.write(bytes); }
    Result<void> finish() {
        if (packed_) TRY(packed_->finish());
        return call_.exchange().end_stream();
    }

private:
    Call& call_;
    codec::FunctionSink chunks_;
    std::unique_ptr<codec::Compressor> packed_;
};

Result<void> read_path(Call& call, Parts& parts) {
    auto& name = call.parameter("name");
    auto container = TRY(parts.containers.find(name));
    TarAnswer answer(call);
    auto begin = [&](const archive::PathStat& stat) {
        call.headers().set(kStatHeader, stat_header(stat));
        return answer.begin();
    };
    TRY(engine::read_container_path(parts, container, name, call.text("path"), begin, answer));
    return answer.finish();
}

Result<void> write_path(Call& call, Parts& parts) {
    auto& name = call.parameter("name");
    auto container = TRY(parts.containers.find(name));
    BodySource body(call.exchange());
    TRY(engine::write_container_path(parts, container, name, call.text("path"), {call.flag("noOverwriteDirNonDir"), call.flag("copyUIDGID")}, body));
    return call.respond_empty(200);
}

Result<void> export_files(Call& call, Parts& parts) {
    auto container = TRY(parts.containers.find(call.parameter("name")));
    codec::FunctionSink chunks([&](std::string_view bytes) { return call.exchange().write_chunk(bytes); });
    TRY(engine::export_container(parts, container, [&] { return call.begin_stream("application/octet-stream"); }, chunks));
    return call.exchange().end_stream();
}

}  // namespace

void add_file_routes(Router& router, Parts& parts) {
    router.get("/containers/{name}/changes", [&parts](Call& call) { return changes(call, parts); });
    router.head("/containers/{name}/archive", [&parts](Call& call) { return stat_path(call, parts); });
    router.get("/containers/{name}/archive", [&parts](Call& call) { return read_path(call, parts); });
    router.put("/containers/{name}/archive", [&parts](Call& call) { return write_path(call, parts); });
    router.get("/containers/{name}/export", [&parts](Call& call) { return export_files(call, parts); });
    router.post("/commit", [&parts](Call& call) { return commit(call, parts); });
}

}  // namespace proa::api
