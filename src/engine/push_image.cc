#include "engine/push_image.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "engine/transfers.h"
#include "registry/refusal.h"
#include "registry/repository.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {
/// One push of one tag.
struct Push {
    Parts& parts;
    registry::Repository& repository;
    TransferProgress& progress;
    oci::Reference reference;
};

/// Another repository at the same registry that has this blob, as far as our names tell.
std::string mount_source(Push& push, const codec::Digest& blob) {
    for (auto& image : push.parts.images.list()) {
        if (std::find(image->blobs.begin(), image->blobs.end(), blob) == image->blobs.end()) continue;
        for (auto& text : image->repository_digests) {
            auto name = oci::Reference::parse(text);
            if (name && name->domain == push.reference.domain && name->path != push.reference.path) return name->path;
        }
    }
    return {};
}

Result<void> upload(Push& push, const codec::Digest& digest, const std::string& id, bool shown) {
    auto& blobs = push.parts.images.blobs();
    uint64_t size = TRY(blobs.size(digest));
    std::string from = mount_source(push, digest);
    auto place = TRY(push.repository.begin_upload(digest, from));
    if (place.mounted) {
        if (shown) push.progress.say_about(id, concat("Mounted from ", from));
        return {};
    }
    Pace pace;
    auto body = [&](uint64_t offset) -> Result<std::unique_ptr<codec::Source>> {
        struct File : codec::Source {
            File(os::Fd opened, uint64_t offset, uint64_t size) : fd(std::move(opened)), source(fd.get(), offset, size) {}
            Result<std::string_view> pull() override { return source.pull(); }
            os::Fd fd;
            codec::FileRangeSource source;
        };
        return std::make_unique<File>(TRY(blobs.open_blob(digest)), offset, size - offset);
    };
    auto sent = [&](uint64_t bytes) -> Result<void> {
        if (push.progress.cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        if (shown && (bytes == size || pace.due())) push.progress.moved(id, "Pushing", bytes, size);
        return {};
    };
    TRY(push.repository.finish_upload(place, {digest, size, body, sent}));
    if (shown) push.progress.say_about(id, "Pushed");
    return {};
}

Result<void> push_blob(Push& push, const oci::Descriptor& descriptor, bool shown) {
    auto digest = TRY(codec::Digest::parse(descriptor.digest));
    std::string id(digest.hex().substr(0, 12));
    auto cancelled = [&] { return push.progress.cancelled(); };
    auto& session = push.repository.session();
    for (int attempt = 1;; attempt++) {
        if (cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        if (TRY(push.repository.has_blob(digest))) {
            if (shown) push.progress.say_about(id, "Layer already exists");
            return {};
        }
        auto slot = TRY(push.parts.transfers.slot(Transfers::Direction::Upload, push.parts.settings()->max_concurrent_uploads, cancelled));
        auto done = upload(push, digest, id, shown);
        if (done || !done.error().is(ErrorKind::Unavailable) || attempt >= session.config().attempts) return done;
        log::info(concat("push of ", id, ": ", done.error().message(), "; trying again"));
        push.progress.say_about(id, concat("Retrying in ", attempt, attempt == 1 ? " second" : " seconds"));
        TRY(session.pause(1000 * attempt));
    }
}

/// Configuration and layers of one manifest, several at a time, then the manifest itself under `reference`.
Result<void> push_manifest(Push& push, const store::ImageManifest& manifest, const std::string& reference) {
    std::string bytes = TRY(push.parts.images.blobs().read(manifest.digest));
    auto parsed = TRY(json::decode<oci::Manifest>(bytes));
    std::vector<std::pair<oci::Descriptor, bool>> wanted;
    std::set<std::string> seen;
    for (auto& layer : parsed.layers)
        if (seen.insert(layer.digest).second) wanted.emplace_back(layer, true);
    if (seen.insert(parsed.config.digest).second) wanted.emplace_back(parsed.config, false);
    for (auto& [descriptor, shown] : wanted)
        if (shown) push.progress.say_about(descriptor.digest.substr(descriptor.digest.find(':') + 1, 12), "Preparing");
    std::atomic<size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> failed;
    auto work = [&] {
        for (size_t mine = next++; mine < wanted.size(); mine = next++) {
            auto done = push_blob(push, wanted[mine].first, wanted[mine].second);
            if (done) continue;
            std::lock_guard lock(mutex);
            if (!failed || failed->is(ErrorKind::Cancelled)) failed = std::move(done).error();
            push.progress.give_up();
            return;
        }
    };
    int64_t limit = push.parts.settings()->max_concurrent_uploads;
    size_t count = limit <= 0 ? wanted.size() : std::min<size_t>(wanted.size(), static_cast<size_t>(limit));
    std::vector<std::thread> threads;
    for (size_t i = 1; i < count; i++) threads.emplace_back(work);
    if (count > 0) work();
    for (auto& thread : threads) thread.join();
    if (failed) return fail(std::move(*failed));
    return push.repository.put_manifest(reference, manifest.media_type, bytes);
}

bool whole(const store::Image& image) {
    return std::all_of(image.manifests.begin(), image.manifests.end(), [&](auto& manifest) {
        return manifest.available || (manifest.attestation && std::find(image.blobs.begin(), image.blobs.end(), manifest.digest) != image.blobs.end());
    });
}

/// The one manifest to push instead of an index: asked for, or the only one that is here.
Result<const store::ImageManifest*> chosen_manifest(const store::Image& image, const oci::Reference& reference, const std::optional<oci::Platform>& platform) {
    if (platform) {
        auto* manifest = image.manifest_for(platform->normalized());
        if (!manifest)
            return fail(ErrorKind::NotFound, concat("image with reference ", reference.familiar(), " was found but does not provide the specified platform (",
                                                    platform->text(), ")"));
        return manifest;
    }
    if (!oci::media_type::is_index(image.media_type)) return image.manifest();
    if (whole(image)) return nullptr;
    size_t available = 0;
    for (auto& manifest : image.manifests) available += manifest.available && !manifest.attestation;
    if (available == 1) return image.manifest();
    return fail(ErrorKind::NotFound, concat("not all platforms of ", reference.familiar(), " are here: pull them all or choose one with --platform"));
}

Result<void> push_tag(Push& push, const std::optional<oci::Platform>& platform) {
    auto& images = push.parts.images;
    const std::string& tag = push.reference.tag;
    auto image = images.resolve(push.reference.familiar());
    if (!image) return fail(ErrorKind::NotFound, concat("tag does not exist: ", push.reference.familiar()));
    store::Lease lease = images.lease();
    for (auto& blob : (*image)->blobs) lease.keep_blob(blob);
    auto* single = TRY(chosen_manifest(**image, push.reference, platform));
    oci::Descriptor target = (*image)->descriptor();
    if (single) {
        target = {.media_type = single->media_type, .digest = single->digest.text(), .size = single->size};
        TRY(push_manifest(push, *single, tag));
    } else {
        for (auto& manifest : (*image)->manifests) TRY(push_manifest(push, manifest, manifest.digest.text()));
        TRY(push.repository.put_manifest(tag, target.media_type, TRY(images.blobs().read((*image)->id))));
    }
    if (target.digest == (*image)->id.text()) TRY(images.add_image(lease, target, {{push.reference.domain, push.reference.path, "", target.digest}}));
    push.progress.say(concat(tag, ": digest: ", target.digest, " size: ", target.size));
    json::Object aux{{"Tag", tag}, {"Digest", target.digest}, {"Size", target.size}}, line;
    line.set("progressDetail", json::Object());
    line.set("aux", std::move(aux));
    push.progress.send(line);
    if (single && target.digest != (*image)->id.text() && !platform) {
        json::Object original{{"mediaType", (*image)->media_type}, {"digest", (*image)->id.text()}, {"size", (*image)->size}};
        json::Object selected{{"mediaType", target.media_type}, {"digest", target.digest}, {"size", target.size}};
        json::Object note;
        note.set("aux",
                 json::Object{{"manifestPushedInsteadOfIndex", true}, {"originalIndex", std::move(original)}, {"selectedManifest", std::move(selected)}});
        push.progress.send(note);
    }
    push.parts.events.publish("image", "push", push.reference.familiar(), {{"name", push.reference.familiar_name()}});
    return {};
}

Result<std::vector<std::string>> tags_to_push(Parts& parts, const oci::Reference& reference) {
    std::vector<std::string> tags;
    for (auto& image : parts.images.list())
        for (auto& text : image->tags)
            if (auto name = oci::Reference::parse(text); name && name->name() == reference.name()) tags.push_back(name->tag);
    if (tags.empty()) return fail(ErrorKind::NotFound, concat("An image does not exist locally with the tag: ", reference.familiar_name()));
    std::sort(tags.begin(), tags.end());
    return tags;
}
}  // namespace

Result<void> push_image(Parts& parts, const std::string& name, const std::string& tag, const std::optional<oci::Platform>& platform,
                        const TransferCaller& caller) {
    auto reference = TRY(oci::Reference::parse(name));
    if (!reference.digest.empty()) return fail(ErrorKind::InvalidArgument, "cannot push a digest reference");
    if (!tag.empty()) {
        if (!oci::is_valid_tag(tag)) return fail(ErrorKind::InvalidArgument, "invalid tag format");
        reference.tag = tag;
    }
    TransferProgress progress(caller.progress, caller.gone);
    progress.say(concat("The push refers to repository [", reference.name(), "]"));
    std::vector<std::string> tags{reference.tag};
    if (reference.tag.empty()) tags = TRY(tags_to_push(parts, reference));
    else if (!parts.images.resolve(reference.familiar())) return fail(ErrorKind::NotFound, concat("tag does not exist: ", reference.familiar()));
    auto config = registry_config(*parts.settings(), caller.agent);
    registry::Session session(TRY(parts.transfers.session()), config, caller.credentials, [&] { return progress.cancelled(); });
    return registry::ask_in_turn(session, TRY(registry::endpoints(config, reference.domain, registry::Purpose::Push)),
                                 [&](const registry::Endpoint& endpoint) -> Result<void> {
                                     registry::Repository repository(session, endpoint, reference.path, true);
                                     for (auto& one : tags) {
                                         Push push{parts, repository, progress, {reference.domain, reference.path, one, ""}};
                                         TRY(push_tag(push, platform));
                                     }
                                     return {};
                                 });
}

}  // namespace proa::engine
