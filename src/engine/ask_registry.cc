#include "engine/ask_registry.h"

#include "base/text.h"
#include "engine/transfers.h"
#include "registry/refusal.h"

namespace proa::engine {

namespace {
/// "docker.io" for everything that means Docker Hub, else host[:port].
std::string domain_of(const std::string& server) {
    std::string host = registry::host_of(server);
    if (host.empty() || host == "index.docker.io" || host == "docker.io" || host == registry::kHubHost) return "docker.io";
    return host;
}
}  // namespace

Result<LoginAnswer> log_in(Parts& parts, const registry::Credentials& credentials, const std::string& agent) {
    auto config = registry_config(*parts.settings(), agent);
    registry::Session session(TRY(parts.transfers.session()), config, credentials, {});
    session.want_refresh_token();
    std::optional<Error> failed;
    for (auto& endpoint : TRY(registry::own_endpoints(config, domain_of(credentials.server_address), registry::Purpose::Resolve))) {
        registry::Request request{.url = endpoint.api_url("/")};
        request.retry = false;
        auto answer = session.call(endpoint, request);
        if (answer) return LoginAnswer{session.refresh_token()};
        failed = std::move(answer).error();
        if (failed->is(ErrorKind::Unavailable)) continue;
        if (failed->is(ErrorKind::Unauthorized) && session.asks_for_basic(endpoint) && !credentials.username.empty())
            return fail(ErrorKind::Unauthorized, concat("login attempt to ", request.url, " failed with status: 401 Unauthorized"));
        if (!failed->message().starts_with("Get ")) failed = std::move(*failed).wrap(concat("Get ", quote(request.url)));
        return fail(std::move(*failed));
    }
    return fail(std::move(*failed).with_kind(ErrorKind::Internal));
}

Result<json::Array> search_images(Parts& parts, const SearchQuery& query, const registry::Credentials& credentials, const std::string& agent) {
    if (query.term.find("://") != std::string::npos)
        return fail(ErrorKind::InvalidArgument, concat("invalid repository name: repository name (", query.term, ") should not have a scheme"));
    auto config = registry_config(*parts.settings(), agent);
    // As in references: only a first part with '.', ':' or "localhost" is a registry.
    auto split = cut(query.term, "/");
    bool named = split && (split->first.find_first_of(".:") != std::string_view::npos || split->first == "localhost");
    std::string domain = named ? domain_of(std::string(split->first)) : "docker.io", term(named ? split->second : std::string_view(query.term));
    std::vector<registry::Endpoint> candidates;
    if (domain == "docker.io") {
        term = trim_prefix(term, "library/");
        candidates.push_back({"https://index.docker.io", false, TRY(registry::trust_for(config, "index.docker.io"))});
    } else {
        candidates = TRY(registry::own_endpoints(config, domain, registry::Purpose::Resolve));
    }
    registry::Session session(TRY(parts.transfers.session()), config, credentials, {});
    std::optional<Error> failed;
    for (auto& endpoint : candidates) {
        registry::Request request{.url = concat(endpoint.base, "/v1/search?q=", percent_encode(term), "&n=", query.limit)};
        request.retry = false;
        auto answer = session.call(endpoint, request);
        if (!answer) {
            failed = std::move(answer).error();
            if (failed->is(ErrorKind::Unavailable)) continue;
            return fail(std::move(*failed));
        }
        json::Array kept;
        json::Value document = TRY_WRAP("error decoding the registry's search results", json::parse(answer->body));
        for (auto& result : document["results"].as_array()) {
            if (query.official && result["is_official"].as_bool() != *query.official) continue;
            if (query.automated && result["is_automated"].as_bool() != *query.automated) continue;
            if (result["star_count"].as_int() < query.stars) continue;
            kept.push_back(result);
        }
        return kept;
    }
    return fail(std::move(*failed).with_kind(ErrorKind::Internal));
}

namespace {
/// What `wanted` stands for in this repository, and for which platforms it is.
Result<void> describe(registry::Repository& repository, const std::string& wanted, DistributionAnswer& answer) {
    auto document = TRY(repository.manifest(wanted));
    answer = {document.descriptor, {}};
    if (oci::media_type::is_index(document.descriptor.media_type)) {
        for (auto& child : TRY(json::decode<oci::Index>(document.bytes)).manifests)
            if (child.platform) answer.platforms.push_back(*child.platform);
    } else if (oci::media_type::is_manifest(document.descriptor.media_type)) {
        auto manifest = TRY(json::decode<oci::Manifest>(document.bytes));
        codec::StringSink bytes;
        TRY(repository.blob(TRY(codec::Digest::parse(manifest.config.digest)), 0, bytes));
        if (auto image = json::decode<oci::ImageConfig>(bytes.text)) answer.platforms.push_back(image->platform());
    }
    return {};
}
}  // namespace

Result<DistributionAnswer> inspect_distribution(Parts& parts, const std::string& name, const registry::Credentials& credentials, const std::string& agent) {
    auto reference = TRY(oci::Reference::parse(name)).with_default_tag();
    auto config = registry_config(*parts.settings(), agent);
    registry::Session session(TRY(parts.transfers.session()), config, credentials, {});
    const std::string& wanted = reference.digest.empty() ? reference.tag : reference.digest;
    auto purpose = reference.digest.empty() ? registry::Purpose::Resolve : registry::Purpose::Pull;
    DistributionAnswer answer;
    auto done = registry::ask_in_turn(session, TRY(registry::endpoints(config, reference.domain, purpose)), [&](const registry::Endpoint& endpoint) {
        registry::Repository repository(session, endpoint, reference.path);
        return describe(repository, wanted, answer);
    });
    if (done) return answer;
    if (done.error().is(ErrorKind::Forbidden)) return fail(std::move(done).error().with_kind(ErrorKind::Unauthorized));
    if (done.error().is(ErrorKind::Unavailable)) return fail(std::move(done).error().with_kind(ErrorKind::Internal));
    return fail(std::move(done).error());
}

}  // namespace proa::engine
