#include "registry/repository.h"

#include "base/log.h"
#include "base/text.h"
#include "codec/json/value.h"
#include "http/transfer_abi.h"
#include "registry/refusal.h"

namespace proa::registry {

namespace {
constexpr size_t kManifestLimit = 4 << 20;

http::Headers manifest_headers() {
    http::Headers headers;
    for (auto type : {oci::media_type::kManifest, oci::media_type::kIndex, oci::media_type::kDockerManifest, oci::media_type::kDockerIndex})
        headers.add("Accept", type);
    headers.add("Accept", "application/vnd.docker.distribution.manifest.v1+prettyjws");
    headers.add("Accept", "application/json");
    return headers;
}

std::string_view bare_type(std::string_view content_type) { return trim(content_type.substr(0, content_type.find(';'))); }

/// The media type, which head and document must agree on.
Result<std::string> media_type_of(std::string_view head, const std::string& bytes) {
    auto document = json::parse(bytes);
    if (!document || !document->is_object()) return fail(ErrorKind::InvalidArgument, "manifest is no JSON object");
    const std::string& inside = (*document)["mediaType"].as_string();
    if ((*document)["schemaVersion"].as_int() == 1 || head.starts_with("application/vnd.docker.distribution.manifest.v1+"))
        return std::string("application/vnd.docker.distribution.manifest.v1+prettyjws");
    if (!inside.empty() && !head.empty() && head != inside && head != "application/json" && head != "text/plain" && head != "application/octet-stream")
        return fail(ErrorKind::InvalidArgument, concat("manifest says it is ", quote(inside), ", the registry says ", quote(head)));
    if (!inside.empty()) return inside;
    if (oci::media_type::is_index(head) || oci::media_type::is_manifest(head)) return std::string(head);
    return std::string((*document)["manifests"].is_array() ? oci::media_type::kIndex : oci::media_type::kManifest);
}
}  // namespace

Result<void> ask_in_turn(Session& session, const std::vector<Endpoint>& candidates, const std::function<Result<void>(const Endpoint&)>& ask) {
    Result<void> done = fail(ErrorKind::Internal, "no endpoint is configured for this registry");
    for (auto& endpoint : candidates) {
        Repository anything(session, endpoint, "");
        done = anything.connect();
        if (done) {
            done = ask(endpoint);
            if (done || !endpoint.mirror) return done;
        }
        if (done.error().is(ErrorKind::Cancelled)) return done;
        if (endpoint.mirror) {
            log::info(concat("mirror ", endpoint.base, " is passed over: ", done.error().message()));
            continue;
        }
        // A registry that speaks TLS is not asked again without it, and words about its certificate are the ones to show.
        bool plain = static_cast<http::TransferFault>(done.error().number()) == http::TransferFault::PlainAnswer;
        if (!plain && !done.error().is(ErrorKind::Unavailable)) return done;
    }
    return done;
}

Result<Endpoint> reachable_endpoint(Session& session, const std::vector<Endpoint>& candidates) {
    Endpoint reached;
    TRY(ask_in_turn(session, candidates, [&](const Endpoint& endpoint) -> Result<void> {
        reached = endpoint;
        return {};
    }));
    return reached;
}

Repository::Repository(Session& session, Endpoint endpoint, std::string path, bool push)
    : session_(session), endpoint_(std::move(endpoint)), path_(std::move(path)), push_(push) {}

std::string Repository::url(std::string_view rest) const {
    std::string url = endpoint_.api_url(concat('/', path_, rest));
    if (!endpoint_.name_space.empty()) url += concat(url.find('?') == url.npos ? "?" : "&", "ns=", percent_encode(endpoint_.name_space));
    return url;
}

std::set<std::string> Repository::scopes() const {
    if (path_.empty()) return {};
    return {concat("repository:", path_, push_ ? ":pull,push" : ":pull")};
}

Result<void> Repository::connect() {
    // Whether we may come in is asked with the first real question, whose scope is known.
    Request request{.url = endpoint_.api_url("/")};
    request.retry = false;
    request.probe = true;
    auto answer = session_.call(endpoint_, request);
    if (!answer && !answer.error().is(ErrorKind::Forbidden)) return fail(std::move(answer).error());
    return {};
}

Result<Document> Repository::manifest(const std::string& reference) {
    Request request{.url = url("/manifests/" + reference), .headers = manifest_headers(), .scopes = scopes()};
    auto answer = TRY(session_.call(endpoint_, request));
    if (answer.body.size() > kManifestLimit)
        return fail(ErrorKind::InvalidArgument, concat("manifest ", reference, " is larger than ", kManifestLimit, " bytes"));
    auto wanted = Digest::parse(reference);
    std::string promised(answer.headers.get("Docker-Content-Digest"));
    auto told = Digest::parse(promised);
    Digest digest = Digest::of(answer.body, wanted ? wanted->algorithm() : told ? told->algorithm() : codec::DigestAlgorithm::Sha256);
    if (wanted && *wanted != digest) return fail(ErrorKind::InvalidArgument, concat("manifest verification failed for digest ", reference));
    if (!wanted && told && *told != digest) return fail(ErrorKind::InvalidArgument, concat("manifest verification failed for digest ", promised));
    Document document;
    document.descriptor.media_type = TRY(media_type_of(bare_type(answer.headers.get("Content-Type")), answer.body));
    document.descriptor.digest = digest.text();
    document.descriptor.size = static_cast<int64_t>(answer.body.size());
    document.bytes = std::move(answer.body);
    return document;
}

Result<oci::Descriptor> Repository::resolve(const std::string& reference) {
    Request request{.method = "HEAD", .url = url("/manifests/" + reference), .headers = manifest_headers(), .scopes = scopes()};
    auto answer = session_.call(endpoint_, request);
    if (answer) {
        auto digest = Digest::parse(answer->headers.get("Docker-Content-Digest"));
        std::string_view type = bare_type(answer->headers.get("Content-Type"));
        auto size = parse_int(answer->headers.get("Content-Length"));
        auto wanted = Digest::parse(reference);
        if (digest && wanted && *digest != *wanted) return fail(ErrorKind::InvalidArgument, concat("manifest verification failed for digest ", reference));
        if (digest && (oci::media_type::is_index(type) || oci::media_type::is_manifest(type)))
            return oci::Descriptor{.media_type = std::string(type), .digest = digest->text(), .size = size.value_or(0)};
    } else if (answer.error().is(ErrorKind::Cancelled) || answer.error().is(ErrorKind::Unavailable) || answer.error().message().starts_with("Head ")) {
        return fail(std::move(answer).error());
    }
    return TRY(manifest(reference)).descriptor;  // the words of a refusal come with GET only
}

Result<std::vector<std::string>> Repository::tags() {
    std::vector<std::string> tags;
    std::string next = url("/tags/list");
    for (int pages = 0; pages < 1000 && !next.empty(); pages++) {
        auto answer = TRY(session_.call(endpoint_, {.url = next, .scopes = scopes()}));
        auto document = TRY_WRAP("list of tags", json::parse(answer.body));
        for (auto& tag : document["tags"].as_array())
            if (oci::is_valid_tag(tag.as_string())) tags.push_back(tag.as_string());
        std::string_view link = answer.headers.get("Link");
        auto open = link.find('<'), close = link.find('>');
        bool more = open != link.npos && close != link.npos && link.find("rel=\"next\"") != link.npos;
        std::string target = more ? resolve_url(answer.url, link.substr(open + 1, close - open - 1)) : "";
        if (!target.empty() && origin_of(target) != origin_of(next))
            return fail(ErrorKind::Forbidden, concat("list of tags leads to another host: ", quote(target)));
        next = std::move(target);
    }
    return tags;
}

Result<void> Repository::blob(const Digest& digest, uint64_t offset, codec::Sink& sink) {
    Request request{.url = url("/blobs/" + digest.text()), .scopes = scopes()};
    request.retry = false;  // once bytes have been handed on only the caller can go on, from where they ended
    uint64_t skip = 0;
    if (offset > 0) request.headers.add("Range", concat("bytes=", offset, '-'));
    request.head = [&](int status, const http::Headers& headers) -> Result<void> {
        skip = status == 206 ? 0 : offset;  // a registry without ranges sends everything again
        if (status == 206 && !headers.get("Content-Range").starts_with(concat("bytes ", offset, '-')))
            return fail(ErrorKind::Internal,
                        concat("blob ", digest.text(), ": asked for bytes from ", offset, " on, got ", quote(headers.get("Content-Range"))));
        return {};
    };
    request.sink = [&](std::string_view bytes) -> Result<void> {
        size_t drop = std::min<uint64_t>(skip, bytes.size());
        skip -= drop;
        bytes.remove_prefix(drop);
        return bytes.empty() ? Result<void>() : sink.write(bytes);
    };
    auto answer = session_.call(endpoint_, request);
    if (!answer) return fail(std::move(answer).error());
    return {};
}

Result<bool> Repository::has_blob(const Digest& digest) {
    auto answer = session_.call(endpoint_, {.method = "HEAD", .url = url("/blobs/" + digest.text()), .scopes = scopes()});
    if (answer) return true;
    if (answer.error().is(ErrorKind::NotFound)) return false;
    return fail(std::move(answer).error());
}

// --- push ---

namespace {
/// Where an upload goes on, as an answer says; empty when it does not.
Result<std::string> upload_place(const Endpoint& endpoint, const Response& answer) {
    std::string_view location = answer.headers.get("Location");
    if (location.empty()) return std::string();
    std::string target = resolve_url(answer.url, location);
    if (endpoint.is_https() && !target.starts_with("https://")) {
        // Registries behind a proxy that ends TLS name themselves wrongly: the same host over the same scheme is meant.
        if (host_of(target) != host_of(endpoint.base)) return fail(ErrorKind::Forbidden, concat("upload from https to ", quote(target), " is refused"));
        target.replace(0, 4, "https");
    }
    return target;
}
}  // namespace

Result<Repository::Upload> Repository::begin_upload(const Digest& digest, const std::string& from) {
    Request request{.method = "POST", .url = url("/blobs/uploads/"), .headers = {{"Content-Length", "0"}}, .scopes = scopes()};
    if (!from.empty()) {
        request.url += concat(request.url.find('?') == request.url.npos ? "?mount=" : "&mount=", percent_encode(digest.text()), "&from=", percent_encode(from));
        request.scopes.insert(concat("repository:", from, ":pull"));
    }
    auto answer = session_.call(endpoint_, request);
    if (!answer && !from.empty() && !answer.error().is(ErrorKind::Cancelled)) return begin_upload(digest);  // not even asking was allowed
    if (!answer) return fail(std::move(answer).error());
    if (answer->status == 201) return Upload{true, {}};
    std::string target = TRY(upload_place(endpoint_, *answer));
    if (target.empty()) return fail(ErrorKind::Internal, concat("registry gave no place to upload ", digest.text(), " to"));
    return Upload{false, target};
}

namespace {
std::string with_digest(const std::string& url, const Digest& digest) {
    return concat(url, url.find('?') == url.npos ? "?" : "&", "digest=", percent_encode(digest.text()));
}

/// How many bytes have arrived, as `Range: 0-N` says it; nullopt without that. Of nothing at all registries say 0-0.
std::optional<uint64_t> arrived_bytes(const http::Headers& headers) {
    std::string_view range = trim_prefix(headers.get("Range"), "bytes=");
    auto limits = cut(range, "-");
    auto last = limits && limits->first == "0" ? parse_uint(limits->second) : std::nullopt;
    if (!last) return std::nullopt;
    return *last == 0 ? 0 : *last + 1;
}
}  // namespace

Result<Response> Repository::send(const std::string& method, const std::string& url, const Outgoing& blob, uint64_t offset, http::Headers headers) {
    Endpoint target = endpoint_;
    if (origin_of(url) != origin_of(endpoint_.base))
        target = {url.substr(0, url.find('/', url.find("://") + 3)), true, TRY(trust_for(session_.config(), host_of(url)))};
    headers.set("Content-Type", "application/octet-stream");
    Request request{.method = method, .url = url, .headers = std::move(headers), .scopes = scopes()};
    request.retry = false;
    request.body_size = static_cast<int64_t>(blob.size - offset);
    if (request.body_size == 0) request.headers.set("Content-Length", "0");
    else
        request.body = [&]() -> Result<std::function<Result<std::string_view>()>> {
            std::shared_ptr<codec::Source> source = TRY(blob.body(offset));
            return std::function<Result<std::string_view>()>([source, sent = offset, &blob]() mutable -> Result<std::string_view> {
                auto piece = TRY(source->pull());
                sent += piece.size();
                TRY(blob.progress(sent));
                return piece;
            });
        };
    return session_.call(target, request);
}

/// One PUT with everything: understood by all registries, those included that know no PATCH.
Result<void> Repository::send_whole(const std::string& url, const Outgoing& blob) {
    TRY(send("PUT", with_digest(url, blob.digest), blob, 0, {}));
    return {};
}

/// After a cut: where the upload goes on, and what has arrived of it. The failure is `cut` where the registry cannot say.
Result<void> Repository::take_up(std::string& url, uint64_t& arrived, const Error& cut) {
    auto answer = session_.call(endpoint_, {.url = url, .scopes = scopes()});
    if (!answer && answer.error().is(ErrorKind::Cancelled)) return fail(std::move(answer).error());
    if (!answer) return fail(cut);
    auto count = arrived_bytes(answer->headers);
    auto place = upload_place(endpoint_, *answer);
    if (!count || !place) return fail(cut);
    arrived = *count;
    if (!place->empty()) url = std::move(*place);
    return {};
}

Result<void> Repository::finish_upload(const Upload& upload, const Outgoing& blob) {
    constexpr uint64_t kWorthResuming = 4 << 20;
    if (blob.size <= kWorthResuming || origin_of(upload.url) != origin_of(endpoint_.base)) return send_whole(upload.url, blob);
    std::string url = upload.url;
    int failures = 0;
    for (uint64_t arrived = 0; arrived < blob.size;) {
        http::Headers headers;
        if (arrived > 0) headers.set("Content-Range", concat(arrived, '-', blob.size - 1));
        auto answer = send("PATCH", url, blob, arrived, std::move(headers));
        if (answer) {
            if (std::string place = TRY(upload_place(endpoint_, *answer)); !place.empty()) url = std::move(place);
            uint64_t now = arrived_bytes(answer->headers).value_or(blob.size);
            if (now <= arrived || now > blob.size)
                return fail(ErrorKind::Internal,
                            concat("upload of ", blob.digest.text(), ": the registry has ", now, " bytes after ", blob.size, " were sent"));
            arrived = now;
            continue;
        }
        bool refused = answer.error().is(ErrorKind::Internal) || answer.error().is(ErrorKind::NotFound);
        if (refused && arrived == 0) return send_whole(TRY(begin_upload(blob.digest)).url, blob);  // it knows no PATCH
        if (!answer.error().is(ErrorKind::Unavailable) || ++failures >= session_.config().attempts) return fail(std::move(answer).error());
        uint64_t before = arrived;
        TRY(session_.pause(100 * failures));
        TRY(take_up(url, arrived, answer.error()));
        if (arrived > blob.size) return fail(std::move(answer).error());
        if (arrived > before) failures = 0;
    }
    TRY(send("PUT", with_digest(url, blob.digest), blob, blob.size, {}));
    return {};
}

Result<void> Repository::put_manifest(const std::string& reference, const std::string& media_type, const std::string& bytes) {
    Request request{.method = "PUT", .url = url("/manifests/" + reference), .headers = {{"Content-Type", media_type}}, .scopes = scopes()};
    request.body_size = static_cast<int64_t>(bytes.size());
    request.body = [&bytes] {
        return Result<std::function<Result<std::string_view>()>>(
            [rest = std::string_view(bytes)]() mutable -> Result<std::string_view> { return std::exchange(rest, {}); });
    };
    auto answer = session_.call(endpoint_, request);
    if (!answer) return fail(std::move(answer).error());
    return {};
}

}  // namespace proa::registry
