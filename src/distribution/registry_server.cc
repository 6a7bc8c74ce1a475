#include "distribution/registry_server.h"

#include <dlfcn.h>

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "os/mapped_file.h"
#include "registry/repository.h"

namespace proa::distribution {

namespace {
constexpr size_t kManifestLimit = 4 << 20;

/// A failure with the status and code that clients read.
Result<void> refuse(http::Exchange& exchange, int status, std::string_view code, std::string message, http::Headers headers = {}) {
    json::Object error{{"code", code}, {"message", std::move(message)}, {"detail", json::Value()}};
    headers.set("Content-Type", "application/json");
    return exchange.respond(status, headers, json::print(json::Object{{"errors", json::Array{json::Value(std::move(error))}}}) + "\n");
}

Result<void> reply_json(http::Exchange& exchange, const json::Value& value, http::Headers headers = {}) {
    if (!headers.has("Content-Type")) headers.set("Content-Type", "application/json");
    return exchange.respond(200, headers, json::print(value));
}

/// One page of names and the header that leads to the next.
json::Array page_of(const std::vector<std::string>& names, const http::Target& target, http::Headers& headers) {
    std::string last(target.query.get("last"));
    auto count = parse_int(target.query.get("n"));
    json::Array page;
    for (auto name = std::upper_bound(names.begin(), names.end(), last); name != names.end(); ++name) {
        if (last.empty() && page.empty()) name = names.begin();
        if (count && static_cast<int64_t>(page.size()) >= std::max<int64_t>(*count, 0)) {
            if (!page.empty())
                headers.add("Link", concat('<', target.path, "?n=", *count, "&last=", percent_encode(page.back().as_string()), ">; rel=\"next\""));
            break;
        }
        page.emplace_back(*name);
    }
    return page;
}
}  // namespace

// --- users ---

Result<Users> Users::read(const std::string& path) {
    Users users;
    for (auto& line : split(TRY(os::read_file(path, 1 << 20)), '\n')) {
        auto parts = cut(trim(line), ":");
        if (!parts || line.starts_with('#')) continue;
        users.hashes_[std::string(parts->first)] = parts->second;
    }
    return users;
}

bool Users::knows(const std::string& name, const std::string& password) const {
    // crypt(3) lives in a library of its own, which only a registry with users needs.
    static auto* crypt = [] {
        void* library = ::dlopen("libcrypt.so.1", RTLD_NOW | RTLD_LOCAL);
        return reinterpret_cast<char* (*)(const char*, const char*)>(library ? ::dlsym(library, "crypt") : nullptr);
    }();
    static std::mutex mutex;  // crypt() answers in memory of its own
    auto known = hashes_.find(name);
    if (known == hashes_.end() || !crypt) return false;
    std::lock_guard lock(mutex);
    const char* computed = crypt(password.c_str(), known->second.c_str());
    return computed && known->second == computed;
}

bool RegistryServer::let_in(http::Exchange& exchange) const {
    if (!users_) return true;
    std::string_view proof = exchange.request().headers.get("Authorization");
    if (proof.starts_with("Basic "))
        if (auto both = from_base64(proof.substr(6)))
            if (auto parts = cut(*both, ":"); parts && users_->knows(std::string(parts->first), std::string(parts->second))) return true;
    http::Headers headers{{"WWW-Authenticate", "Basic realm=\"Proa registry\""}};
    (void)refuse(exchange, 401, "UNAUTHORIZED", "authentication required", std::move(headers));
    return false;
}

// --- routes ---

/// A path below /v2/: repository, what of it, and which.
struct RegistryServer::Place {
    std::string repository, kind, name;
};

void RegistryServer::answer(http::Exchange& exchange) {
    if (!let_in(exchange)) return;
    auto done = route(exchange, exchange.request().target.path);
    if (done || exchange.response_started()) return;
    if (done.error().is(ErrorKind::NotFound)) (void)refuse(exchange, 404, "BLOB_UNKNOWN", done.error().message());
    else if (done.error().is(ErrorKind::InvalidArgument)) (void)refuse(exchange, 400, "DIGEST_INVALID", done.error().message());
    else {
        log::error(concat(exchange.request().method_name, ' ', exchange.request().target.path, ": ", done.error().message()));
        (void)refuse(exchange, 500, "UNKNOWN", done.error().message());
    }
}

Result<void> RegistryServer::route(http::Exchange& exchange, const std::string& path) {
    http::Headers version{{"Docker-Distribution-Api-Version", "registry/2.0"}};
    if (path == "/v2/" || path == "/v2") return reply_json(exchange, json::Object(), std::move(version));
    if (path == "/v2/_catalog") return catalog(exchange);
    if (path == "/v1/search") return search(exchange);
    if (!path.starts_with("/v2/")) return refuse(exchange, 404, "NOT_FOUND", "page not found");
    // Names may hold the words that follow them: the last that fits counts.
    static constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
        {"/blobs/uploads/", "upload"}, {"/manifests/", "manifest"}, {"/blobs/", "blob"}, {"/referrers/", "referrers"}, {"/tags/list", "tags"}};
    for (auto& [mark, kind] : kKinds) {
        size_t at = path.rfind(mark);
        if (at == std::string::npos || at < 4 || (kind == "tags" && at + mark.size() != path.size())) continue;
        Place place{path.substr(4, at - 4), std::string(kind), path.substr(at + mark.size())};
        if (place.name.find('/') != std::string::npos) continue;
        auto name = oci::Reference::parse("x.test/" + place.repository);
        if (!name || !name->tag.empty() || !name->digest.empty())
            return refuse(exchange, 400, "NAME_INVALID", concat("invalid repository name ", quote(place.repository)));
        bool put = exchange.request().method_name == "PUT";
        if (kind == "manifest") return put ? put_manifest(exchange, place) : manifest(exchange, place);
        if (kind == "blob") return blob(exchange, place);
        if (kind == "referrers") return referrers(exchange, place);
        if (kind == "tags") return tags(exchange, place);
        return place.name.empty() ? begin_upload(exchange, place) : upload(exchange, place);
    }
    return refuse(exchange, 404, "NOT_FOUND", "page not found");
}

Result<void> RegistryServer::send_file(http::Exchange& exchange, const Digest& digest, http::Headers headers) {
    auto file = TRY(os::MappedFile::open(shelf_.blobs().path_of(digest)));
    headers.set("Docker-Content-Digest", digest.text());
    headers.set("Etag", concat('"', digest.text(), '"'));
    headers.set("Accept-Ranges", "bytes");
    std::string_view bytes = file.bytes(), range = exchange.request().headers.get("Range");
    auto limits = range.starts_with("bytes=") ? cut(range.substr(6), "-") : std::nullopt;
    auto first = limits ? parse_uint(limits->first) : std::nullopt;
    if (!first) return exchange.respond(200, headers, bytes);
    uint64_t last = std::min<uint64_t>(parse_uint(limits->second).value_or(UINT64_MAX), bytes.size() - 1);
    if (*first >= bytes.size() || last < *first) {
        headers.set("Content-Range", concat("bytes */", bytes.size()));
        return exchange.respond(416, headers, {});
    }
    headers.set("Content-Range", concat("bytes ", *first, '-', last, '/', bytes.size()));
    return exchange.respond(206, headers, bytes.substr(*first, last - *first + 1));
}

// --- manifests ---

Result<void> RegistryServer::manifest(http::Exchange& exchange, const Place& place) {
    const std::string& method = exchange.request().method_name;
    if (method == "DELETE") {
        if (!TRY(shelf_.remove_manifest(place.repository, place.name))) return refuse(exchange, 404, "MANIFEST_UNKNOWN", "manifest unknown");
        return exchange.respond(202, {}, {});
    }
    if (method != "GET" && method != "HEAD") return refuse(exchange, 405, "UNSUPPORTED", "the operation is unsupported");
    bool by_tag = !Digest::parse(place.name);
    auto found = shelf_.find_manifest(place.repository, place.name);
    if (upstream_ && (by_tag || !found)) {
        auto fetched = fetch_manifest(place.repository, place.name);
        if (!fetched) log::info(concat("upstream does not give ", place.repository, ':', place.name, ": ", fetched.error().message()));
        found = shelf_.find_manifest(place.repository, place.name);
    }
    if (!found && !shelf_.has_repository(place.repository)) return refuse(exchange, 404, "NAME_UNKNOWN", "repository name not known to registry");
    if (!found) return refuse(exchange, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    return send_file(exchange, found->digest, {{"Content-Type", found->media_type}});
}

Result<void> RegistryServer::put_manifest(http::Exchange& exchange, const Place& place) {
    auto bytes = exchange.read_whole_body(kManifestLimit);
    if (!bytes) return refuse(exchange, 413, "MANIFEST_INVALID", bytes.error().message());
    auto document = json::parse(*bytes);
    if (!document || !document->is_object()) return refuse(exchange, 400, "MANIFEST_INVALID", "manifest is no JSON object");
    std::string type(exchange.request().headers.get("Content-Type"));
    const std::string& inside = (*document)["mediaType"].as_string();
    if (!inside.empty() && inside != type) return refuse(exchange, 400, "MANIFEST_INVALID", concat("manifest is ", quote(inside), ", sent as ", quote(type)));
    auto wanted = Digest::parse(place.name);
    if (!wanted && !oci::is_valid_tag(place.name)) return refuse(exchange, 400, "MANIFEST_INVALID", concat("invalid reference ", quote(place.name)));
    Digest digest = Digest::of(*bytes, wanted ? wanted->algorithm() : codec::DigestAlgorithm::Sha256);
    if (wanted && digest != *wanted) return refuse(exchange, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    // All that it leads to must be here. What else it refers to (subjects, urls) need not.
    bool index = oci::media_type::is_index(type);
    auto missing = [&](const json::Value& descriptor) {
        auto part = Digest::parse(descriptor["digest"].as_string());
        if (!part) return true;
        if (index) return !shelf_.find_manifest(place.repository, part->text()).has_value();
        return !shelf_.has_blob(place.repository, *part) && descriptor["urls"].as_array().empty();
    };
    for (auto& part : (*document)[index ? "manifests" : "layers"].as_array())
        if (missing(part))
            return refuse(exchange, 404, index ? "MANIFEST_UNKNOWN" : "MANIFEST_BLOB_UNKNOWN",
                          concat("blob unknown to registry: ", part["digest"].as_string()));
    if (!index && missing((*document)["config"]))
        return refuse(exchange, 404, "MANIFEST_BLOB_UNKNOWN", concat("blob unknown to registry: ", (*document)["config"]["digest"].as_string()));
    auto writer = TRY(shelf_.blobs().begin(digest.algorithm()));
    TRY(writer.write(*bytes));
    TRY(writer.commit(digest));
    TRY(shelf_.add_manifest(place.repository, {digest, type}, wanted ? "" : place.name));
    http::Headers headers{{"Location", concat("/v2/", place.repository, "/manifests/", digest.text())}, {"Docker-Content-Digest", digest.text()}};
    if (auto& subject = (*document)["subject"]["digest"].as_string(); !subject.empty()) headers.add("OCI-Subject", subject);
    return exchange.respond(201, headers, {});
}

Result<void> RegistryServer::referrers(http::Exchange& exchange, const Place& place) {
    auto subject = TRY(Digest::parse(place.name));
    std::string_view wanted = exchange.request().target.query.get("artifactType");
    json::Array found;
    for (auto& digest : TRY(shelf_.blobs().list())) {
        auto known = shelf_.find_manifest(place.repository, digest.text());
        if (!known) continue;
        std::string bytes = TRY(shelf_.blobs().read(digest));
        auto document = json::parse(bytes);
        if (!document || (*document)["subject"]["digest"].as_string() != subject.text()) continue;
        std::string type = (*document)["artifactType"].as_string();
        if (type.empty()) type = (*document)["config"]["mediaType"].as_string();
        if (!wanted.empty() && wanted != type) continue;
        json::Object descriptor{{"mediaType", known->media_type}, {"digest", digest.text()}, {"size", bytes.size()}, {"artifactType", type}};
        if (!(*document)["annotations"].is_null()) descriptor.set("annotations", (*document)["annotations"]);
        found.emplace_back(std::move(descriptor));
    }
    http::Headers headers{{"Content-Type", oci::media_type::kIndex}};
    if (!wanted.empty()) headers.add("OCI-Filters-Applied", "artifactType");
    return reply_json(exchange, json::Object{{"schemaVersion", 2}, {"mediaType", oci::media_type::kIndex}, {"manifests", std::move(found)}},
                      std::move(headers));
}

// --- blobs ---

Result<void> RegistryServer::blob(http::Exchange& exchange, const Place& place) {
    auto digest = TRY(Digest::parse(place.name));
    const std::string& method = exchange.request().method_name;
    if (method == "DELETE") {
        if (!TRY(shelf_.remove_blob(place.repository, digest))) return refuse(exchange, 404, "BLOB_UNKNOWN", "blob unknown to registry");
        return exchange.respond(202, {}, {});
    }
    if (method != "GET" && method != "HEAD") return refuse(exchange, 405, "UNSUPPORTED", "the operation is unsupported");
    if (upstream_ && !shelf_.has_blob(place.repository, digest)) {
        auto fetched = fetch_blob(place.repository, digest);
        if (!fetched) log::info(concat("upstream does not give ", digest.text(), ": ", fetched.error().message()));
    }
    if (!shelf_.has_blob(place.repository, digest)) return refuse(exchange, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    return send_file(exchange, digest, {{"Content-Type", "application/octet-stream"}});
}

Result<void> RegistryServer::begin_upload(http::Exchange& exchange, const Place& place) {
    auto& request = exchange.request();
    if (request.method_name != "POST") return refuse(exchange, 405, "UNSUPPORTED", "the operation is unsupported");
    if (upstream_) return refuse(exchange, 405, "UNSUPPORTED", "this registry is a cache in front of another one: push there");
    std::string from(request.target.query.get("from"));
    if (auto wanted = Digest::parse(request.target.query.get("mount")); wanted && !from.empty() && shelf_.has_blob(from, *wanted)) {
        TRY(shelf_.add_blob(place.repository, *wanted));
        return exchange.respond(201, {{"Location", concat("/v2/", place.repository, "/blobs/", wanted->text())}, {"Docker-Content-Digest", wanted->text()}},
                                {});
    }
    bool sha512 = request.target.query.get("digest").starts_with("sha512:") || request.target.query.get("digest-algorithm") == "sha512";
    auto created =
        std::make_shared<Upload>(place.repository, TRY(shelf_.blobs().begin(sha512 ? codec::DigestAlgorithm::Sha512 : codec::DigestAlgorithm::Sha256)));
    if (request.target.query.has("digest")) return close_upload(exchange, place, created);
    std::string id = random_hex(16);
    {
        std::lock_guard lock(mutex_);
        if (uploads_.size() >= 1000) return refuse(exchange, 429, "TOOMANYREQUESTS", "too many uploads are open");
        uploads_[id] = created;
    }
    return exchange.respond(202, {{"Location", concat("/v2/", place.repository, "/blobs/uploads/", id)}, {"Range", "0-0"}, {"Docker-Upload-UUID", id}}, {});
}

namespace {
/// Everything of the body, appended.
Result<void> take_body(http::Exchange& exchange, store::BlobWriter& writer) {
    std::string buffer(256 << 10, '\0');
    for (;;) {
        size_t got = TRY(exchange.read_body(buffer));
        if (got == 0) return {};
        TRY(writer.write(std::string_view(buffer).substr(0, got)));
    }
}
}  // namespace

Result<void> RegistryServer::upload(http::Exchange& exchange, const Place& place) {
    auto& request = exchange.request();
    std::shared_ptr<Upload> found;
    {
        std::lock_guard lock(mutex_);
        auto known = uploads_.find(place.name);
        if (known != uploads_.end() && known->second->repository == place.repository) found = known->second;
        if (found && (request.method_name == "PUT" || request.method_name == "DELETE")) uploads_.erase(known);
    }
    if (!found) return refuse(exchange, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    std::lock_guard lock(found->mutex);
    if (request.method_name == "DELETE") return exchange.respond(204, {}, {});
    if (request.method_name == "PUT") return close_upload(exchange, place, found);
    if (request.method_name != "PATCH" && request.method_name != "GET") return refuse(exchange, 405, "UNSUPPORTED", "the operation is unsupported");
    http::Headers headers{{"Location", concat("/v2/", place.repository, "/blobs/uploads/", place.name)}, {"Docker-Upload-UUID", place.name}};
    auto range = [&] { return concat("0-", std::max<uint64_t>(found->writer.count(), 1) - 1); };
    if (request.method_name == "GET") {
        headers.add("Range", range());
        return exchange.respond(204, headers, {});
    }
    if (auto limits = cut(request.headers.get("Content-Range"), "-"); limits && parse_uint(limits->first) != found->writer.count()) {
        headers.add("Range", range());
        return exchange.respond(416, headers, {});
    }
    TRY(take_body(exchange, found->writer));
    headers.add("Range", range());
    return exchange.respond(202, headers, {});
}

Result<void> RegistryServer::close_upload(http::Exchange& exchange, const Place& place, const std::shared_ptr<Upload>& upload) {
    auto wanted = Digest::parse(exchange.request().target.query.get("digest"));
    if (!wanted) return refuse(exchange, 400, "DIGEST_INVALID", wanted.error().message());
    TRY(take_body(exchange, upload->writer));
    if (auto done = upload->writer.commit(*wanted); !done) return refuse(exchange, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    TRY(shelf_.add_blob(place.repository, *wanted));
    return exchange.respond(201, {{"Location", concat("/v2/", place.repository, "/blobs/", wanted->text())}, {"Docker-Content-Digest", wanted->text()}}, {});
}

// --- lists ---

Result<void> RegistryServer::tags(http::Exchange& exchange, const Place& place) {
    if (!shelf_.has_repository(place.repository)) return refuse(exchange, 404, "NAME_UNKNOWN", "repository name not known to registry");
    http::Headers headers;
    auto page = page_of(shelf_.tags(place.repository), exchange.request().target, headers);
    return reply_json(exchange, json::Object{{"name", place.repository}, {"tags", std::move(page)}}, std::move(headers));
}

Result<void> RegistryServer::catalog(http::Exchange& exchange) {
    http::Headers headers;
    auto page = page_of(shelf_.repositories(), exchange.request().target, headers);
    return reply_json(exchange, json::Object{{"repositories", std::move(page)}}, std::move(headers));
}

Result<void> RegistryServer::search(http::Exchange& exchange) {
    std::string wanted(exchange.request().target.query.get("q"));
    int64_t limit = parse_int(exchange.request().target.query.get("n")).value_or(25);
    json::Array results;
    for (auto& name : shelf_.repositories())
        if (name.find(wanted) != std::string::npos && static_cast<int64_t>(results.size()) < limit)
            results.emplace_back(json::Object{{"name", name}, {"description", ""}, {"star_count", 0}, {"is_official", false}, {"is_automated", false}});
    return reply_json(exchange, json::Object{{"query", wanted}, {"num_results", results.size()}, {"results", json::Value(results)}});
}

// --- upstream ---

Result<void> RegistryServer::ask_upstream(registry::Purpose purpose, const std::string& repository,
                                          const std::function<Result<void>(registry::Repository&)>& ask) {
    registry::Session session(upstream_->transfers, upstream_->config, upstream_->credentials, {});
    return registry::ask_in_turn(session, TRY(registry::endpoints(upstream_->config, upstream_->domain, purpose)), [&](const registry::Endpoint& endpoint) {
        registry::Repository there(session, endpoint, repository);
        return ask(there);
    });
}

Result<void> RegistryServer::fetch_manifest(const std::string& repository, const std::string& reference) {
    bool by_tag = !Digest::parse(reference);
    return ask_upstream(by_tag ? registry::Purpose::Resolve : registry::Purpose::Pull, repository, [&](registry::Repository& there) -> Result<void> {
        auto target = TRY(there.resolve(reference));
        auto digest = TRY(Digest::parse(target.digest));
        std::string tag = by_tag ? reference : "";
        if (auto here = shelf_.find_manifest(repository, target.digest)) return shelf_.add_manifest(repository, *here, tag);
        auto document = TRY(there.manifest(target.digest));
        auto writer = TRY(shelf_.blobs().begin(digest.algorithm()));
        TRY(writer.write(document.bytes));
        TRY(writer.commit(digest));
        return shelf_.add_manifest(repository, {digest, document.descriptor.media_type}, tag);
    });
}

Result<void> RegistryServer::fetch_blob(const std::string& repository, const Digest& digest) {
    auto writer = TRY(shelf_.blobs().begin(digest.algorithm()));
    TRY(ask_upstream(registry::Purpose::Pull, repository, [&](registry::Repository& there) -> Result<void> {
        for (int failures = 0;;) {
            uint64_t before = writer.count();
            auto done = there.blob(digest, before, writer);
            if (done) return done;
            if (writer.count() > before) failures = 0;
            if (!done.error().is(ErrorKind::Unavailable) || ++failures >= upstream_->config.attempts) return done;
        }
    }));
    TRY(writer.commit(digest));
    return shelf_.add_blob(repository, digest);
}

}  // namespace proa::distribution
