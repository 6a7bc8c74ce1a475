#include "engine/pull_image.h"

#include "base/text.h"
#include "engine/images.h"
#include "engine/pull_layers.h"
#include "engine/storage_budget.h"
#include "engine/transfers.h"
#include "registry/refusal.h"
#include "registry/repository.h"
#include "store/builtin_images.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {
constexpr int kIndexDepth = 4;

/// One pull: everything that its steps share.
struct Pull {
    Parts& parts;
    registry::Repository& repository;
    TransferProgress& progress;
    oci::Platform platform;
    bool platform_given;
    bool news = false;  ///< something came or a tag moved
};

Unexpected unsupported_content(const oci::Descriptor& descriptor) {
    return fail(ErrorKind::InvalidArgument, concat("unsupported media type: encountered remote ", quote(descriptor.media_type), "(unknown) when fetching"));
}

Result<void> check_document(const oci::Descriptor& descriptor, const oci::Reference& reference) {
    if (descriptor.media_type.starts_with("application/vnd.docker.distribution.manifest.v1+"))
        return fail(ErrorKind::InvalidArgument,
                    concat("Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported. Suggest the author of ",
                           reference.familiar(), " to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2"));
    if (!oci::media_type::is_index(descriptor.media_type) && !oci::media_type::is_manifest(descriptor.media_type)) return unsupported_content(descriptor);
    return {};
}

/// A document that `descriptor` names: its bytes must be what that says.
Result<registry::Document> fetch_named(Pull& pull, const oci::Descriptor& descriptor) {
    auto document = TRY(pull.repository.manifest(descriptor.digest));
    if (descriptor.size > 0 && descriptor.size != document.descriptor.size)
        return fail(ErrorKind::InvalidArgument,
                    concat("manifest ", descriptor.digest, " has ", document.descriptor.size, " bytes, its descriptor says ", descriptor.size));
    if (descriptor.media_type != document.descriptor.media_type)
        return fail(ErrorKind::InvalidArgument,
                    concat("manifest ", descriptor.digest, " is ", document.descriptor.media_type, ", its descriptor says ", descriptor.media_type));
    return document;
}

bool is_runnable(const oci::Descriptor& descriptor) {
    if (descriptor.annotations.contains("vnd.docker.reference.type")) return false;
    return !descriptor.platform || descriptor.platform->os != "unknown";
}

Result<void> fetch_manifest(Pull& pull, store::Lease& lease, const registry::Document& document) {
    TRY(lease.put(document.bytes));
    auto manifest = TRY(json::decode<oci::Manifest>(document.bytes));
    if (manifest.schema_version != 2)
        return fail(ErrorKind::InvalidArgument, concat("manifest ", document.descriptor.digest, " has schema version ", manifest.schema_version));
    if (!oci::media_type::is_config(manifest.config.media_type)) return unsupported_content(manifest.config);
    return fetch_content(pull.parts, pull.repository, pull.progress, lease, manifest, pull.news);
}

/// The manifest of an index that fits, or the index in it.
Result<void> fetch_from_index(Pull& pull, store::Lease& lease, const registry::Document& document, int depth) {
    if (depth > kIndexDepth) return fail(ErrorKind::InvalidArgument, concat("index ", document.descriptor.digest, ": indexes are nested too deep"));
    TRY(lease.put(document.bytes));
    auto index = TRY(json::decode<oci::Index>(document.bytes));
    if (index.manifests.size() > 1000) return fail(ErrorKind::InvalidArgument, concat("index ", document.descriptor.digest, " lists more than 1000 manifests"));
    const oci::Descriptor* best = nullptr;
    int best_distance = 0;
    for (auto& child : index.manifests) {
        if (!is_runnable(child) || !oci::media_type::is_manifest(child.media_type)) continue;
        auto distance = child.platform ? oci::platform_distance(pull.platform, child.platform->normalized()) : std::optional(1000);
        if (!distance || (best && *distance >= best_distance)) continue;
        best = &child;
        best_distance = *distance;
    }
    if (best) return fetch_manifest(pull, lease, TRY(fetch_named(pull, *best)));
    for (auto& child : index.manifests) {
        if (!oci::media_type::is_index(child.media_type)) continue;
        auto nested = fetch_from_index(pull, lease, TRY(fetch_named(pull, child)), depth + 1);
        if (nested || !nested.error().is(ErrorKind::NotFound)) return nested;
    }
    std::string wanted = pull.platform.text();
    if (pull.platform.architecture == "arm64" && pull.platform.variant.empty()) wanted += "/v8";
    return fail(ErrorKind::NotFound, concat("no matching manifest for ", wanted, " in the manifest list entries"));
}

std::vector<oci::Reference> names_for(const oci::Reference& reference, const std::string& digest) {
    std::vector<oci::Reference> names{{reference.domain, reference.path, "", digest}};
    if (!reference.tag.empty() && reference.digest.empty()) names.push_back({reference.domain, reference.path, reference.tag, ""});
    return names;
}

/// One tag or digest. `resolved` is what another host said that the tag stands for; empty where this one is to be asked.
Result<void> pull_one(Pull& pull, const oci::Reference& reference, const std::string& resolved = {}) {
    const std::string& wanted = reference.digest.empty() ? reference.tag : reference.digest;
    auto& images = pull.parts.images;
    auto target = TRY(pull.repository.resolve(resolved.empty() ? wanted : resolved));
    TRY(check_document(target, reference));
    auto digest = TRY(codec::Digest::parse(target.digest));
    store::Lease lease = images.lease();
    auto before = images.resolve(reference.familiar());
    auto known = images.find(digest);
    bool complete = known && known->manifest_for(pull.platform) && lease.keep_blob(digest);
    if (complete && before && (*before)->id == digest) {
        pull.progress.say(concat("Pulling from ", reference.path), wanted);
        TRY(images.add_image(lease, known->descriptor(), names_for(reference, target.digest)));
    } else {
        auto document = TRY(pull.repository.manifest(target.digest));
        TRY(check_document(document.descriptor, reference));
        pull.progress.say(concat("Pulling from ", reference.path), wanted);
        if (oci::media_type::is_index(document.descriptor.media_type)) TRY(fetch_from_index(pull, lease, document, 0));
        else TRY(fetch_manifest(pull, lease, document));
        if (pull.progress.cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        TRY(images.add_image(lease, document.descriptor, names_for(reference, target.digest)));
        pull.news = true;
    }
    pull.progress.say(concat("Digest: ", target.digest));
    auto image = images.find(digest);
    auto* manifest = image ? image->manifest() : nullptr;
    if (pull.platform_given && manifest && !image->manifest_for(pull.platform))
        return fail(ErrorKind::NotFound, concat("image with reference ", reference.familiar(), " was found but does not match the specified platform: wanted ",
                                                pull.platform.text(), ", actual: ", manifest->config.platform().normalized().text()));
    return {};
}

Result<void> pull_from(Parts& parts, registry::Session& session, const registry::Endpoint& endpoint, const oci::Reference& reference,
                       const std::string& resolved, const std::string& platform, TransferProgress& progress) {
    registry::Repository repository(session, endpoint, reference.path);
    Pull pull{parts, repository, progress, platform.empty() ? oci::Platform::host() : TRY(oci::Platform::parse(platform)).normalized(), !platform.empty()};
    if (!reference.tag.empty() || !reference.digest.empty()) TRY(pull_one(pull, reference, resolved));
    else
        for (auto& tag : TRY(repository.tags())) TRY(pull_one(pull, {reference.domain, reference.path, tag, ""}));
    progress.say(concat("Status: ", pull.news ? "Downloaded newer image for " : "Image is up to date for ", reference.familiar()));
    return {};
}

/// Docker's words for what a registry refuses.
Error translate(Error error, const oci::Reference& reference) {
    using registry::is_refusal;
    if (is_refusal(error, "denied"))
        return Error(ErrorKind::NotFound, concat("pull access denied for ", reference.familiar_name(),
                                                 ", repository does not exist or may require 'docker login': ", error.message()));
    if (is_refusal(error, "manifest unknown"))
        return Error(ErrorKind::NotFound, concat("manifest for ", reference.familiar(), " not found: ", error.message()));
    if (is_refusal(error, "name unknown")) return Error(ErrorKind::NotFound, concat("repository ", reference.familiar_name(), " not found: ", error.message()));
    if (error.is(ErrorKind::Unauthorized) || error.is(ErrorKind::Unavailable)) return std::move(error).with_kind(ErrorKind::Internal);
    return error;
}

/// What a tag stands for, where a host that may give content may not say so.
Result<std::string> resolve_elsewhere(registry::Session& session, const oci::Reference& reference) {
    std::string digest;
    auto candidates = TRY(registry::endpoints(session.config(), reference.domain, registry::Purpose::Resolve));
    TRY(registry::ask_in_turn(session, candidates, [&](const registry::Endpoint& endpoint) -> Result<void> {
        registry::Repository repository(session, endpoint, reference.path);
        digest = TRY(repository.resolve(reference.tag)).digest;
        return {};
    }));
    return digest;
}

/// Endpoints in turn.
Result<void> pull_anywhere(Parts& parts, const oci::Reference& reference, const std::string& platform, const TransferCaller& caller,
                           TransferProgress& progress) {
    auto config = registry_config(*parts.settings(), caller.agent);
    registry::Session session(TRY(parts.transfers.session()), config, caller.credentials, [&] { return progress.cancelled(); });
    std::string resolved;
    auto done = registry::ask_in_turn(
        session, TRY(registry::endpoints(config, reference.domain, registry::Purpose::Pull)), [&](const registry::Endpoint& endpoint) -> Result<void> {
            if (!endpoint.resolves && reference.digest.empty()) {
                if (reference.tag.empty())
                    return fail(ErrorKind::InvalidArgument, concat(endpoint.base, " may not be asked for tags (capabilities in hosts.toml)"));
                if (resolved.empty()) resolved = TRY(resolve_elsewhere(session, reference));
            }
            return pull_from(parts, session, endpoint, reference, endpoint.resolves ? "" : resolved, platform, progress);
        });
    if (!done && !done.error().is(ErrorKind::Cancelled)) return fail(translate(std::move(done).error(), reference));
    return done;
}

/// Whether somebody else than Docker Hub is configured to answer for it.
bool is_mirrored(Parts& parts, const std::string& domain) {
    auto candidates = registry::endpoints(registry_config(*parts.settings()), domain, registry::Purpose::Pull);
    return !candidates ||
           std::any_of(candidates->begin(), candidates->end(), [](auto& endpoint) { return registry::host_of(endpoint.base) != registry::kHubHost; });
}

Result<void> take_builtin(Parts& parts, const oci::Reference& reference, std::string_view archive, TransferProgress& progress) {
    progress.say(concat("Pulling from ", reference.path), reference.tag);
    bool present = static_cast<bool>(parts.images.resolve(reference.familiar()));
    codec::MemorySource source(archive);
    auto loaded = TRY(parts.images.load_archive(source));
    if (loaded.empty()) return fail(ErrorKind::Internal, "the built-in image is empty");
    progress.say("Taken from the image that is built into Proa: no registry was asked");
    progress.say(concat("Digest: ", loaded[0].id.text()));
    progress.say(concat("Status: ", present ? "Image is up to date for " : "Downloaded newer image for ", reference.familiar()));
    return {};
}

Result<oci::Reference> pull_reference(const std::string& name, const std::string& tag) {
    auto reference = TRY(oci::Reference::parse(trim_suffix(name, ":")));
    if (tag.empty()) return reference;
    if (tag.find(':') != std::string::npos) reference.digest = TRY_WRAP("invalid reference format", codec::Digest::parse(tag)).text();
    else if (!oci::is_valid_tag(tag)) return fail(ErrorKind::InvalidArgument, "invalid tag format");
    else reference.tag = tag;
    return reference;
}

void publish_pull(Parts& parts, const oci::Reference& reference) {
    std::map<std::string, std::string> attributes{{"name", reference.familiar_name()}};
    if (auto image = parts.images.resolve(reference.familiar()); image && (*image)->manifest())
        if (auto& labels = (*image)->manifest()->config.config.labels) attributes.insert(labels->begin(), labels->end());
    parts.events.publish("image", "pull", reference.familiar(), std::move(attributes));
}
}  // namespace

Result<void> pull_image(Parts& parts, const std::string& name, const std::string& tag, const std::string& platform, const TransferCaller& caller) {
    auto reference = TRY(pull_reference(name, tag));
    if (!platform.empty()) TRY(oci::Platform::parse(platform));
    TransferProgress progress(caller.progress, caller.gone);
    auto builtin = store::builtin_image_archive(reference);
    if (builtin && !is_mirrored(parts, reference.domain)) {
        TRY(take_builtin(parts, reference, *builtin, progress));
    } else if (auto done = pull_anywhere(parts, reference, platform, caller, progress); !done) {
        if (!builtin || done.error().is(ErrorKind::Cancelled)) return done;
        TRY(take_builtin(parts, reference, *builtin, progress));
    }
    publish_pull(parts, reference);
    keep_storage_budget(parts);
    return {};
}

}  // namespace proa::engine
