#include "engine/images.h"

#include "engine/image_changes.h"
#include "engine/storage_budget.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

docker::Descriptor descriptor_of(const store::Image& image) {
    docker::Descriptor descriptor;
    descriptor.media_type = image.media_type;
    descriptor.digest = image.id.text();
    descriptor.size = image.size;
    return descriptor;
}

Time created_of(const store::Image& image) {
    auto* manifest = image.manifest();
    return manifest && manifest->config.created ? *manifest->config.created : kZeroTime;
}

/// `reference=` patterns: a familiar name with or without tag; '*' stands for any text without a slash.
bool matches_pattern(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*') {
        for (size_t taken = 0; taken <= text.size(); taken++) {
            if (matches_pattern(pattern.substr(1), text.substr(taken))) return true;
            if (taken < text.size() && text[taken] == '/') return false;
        }
        return false;
    }
    if (text.empty() || (pattern[0] != '?' && pattern[0] != text[0])) return false;
    return matches_pattern(pattern.substr(1), text.substr(1));
}

std::vector<std::string> matching_names(const docker::Filters& filters, const std::vector<std::string>& names) {
    auto& patterns = filters.values("reference");
    if (patterns.empty()) return names;
    std::vector<std::string> kept;
    for (auto& name : names) {
        std::string bare = name.substr(0, name.find('@'));
        if (auto colon = bare.rfind(':'); colon != std::string::npos && bare.find('/', colon) == std::string::npos) bare.resize(colon);
        if (std::any_of(patterns.begin(), patterns.end(), [&](auto& pattern) { return matches_pattern(pattern, name) || matches_pattern(pattern, bare); }))
            kept.push_back(name);
    }
    return kept;
}

struct ImageSelection {
    std::optional<bool> dangling;
    std::optional<Time> before, since, until;
};

Result<ImageSelection> make_selection(Parts& parts, const docker::Filters& filters) {
    TRY(filters.check_names({"dangling", "label", "label!", "before", "since", "reference", "until"}));
    ImageSelection selection;
    if (filters.has("dangling")) selection.dangling = TRY(filters.boolean("dangling", false));
    for (auto& reference : filters.values("before")) selection.before = created_of(*TRY(parts.images.resolve(reference)));
    for (auto& reference : filters.values("since")) selection.since = created_of(*TRY(parts.images.resolve(reference)));
    for (auto& text : filters.values("until")) {
        auto time = parse_unix_timestamp(text);
        if (!time) time = parse_rfc3339(text);
        if (auto duration = parse_duration(text); !time && duration) time = Time::from_unix_nano(now().unix_nano() - *duration);
        if (!time) return fail(ErrorKind::InvalidArgument, concat("invalid filter 'until=", text, "'"));
        selection.until = time;
    }
    return selection;
}

}  // namespace

void publish_image_event(Parts& parts, std::string action, const store::Image& image, const std::string& name) {
    std::map<std::string, std::string> attributes{{"name", name}};
    if (auto* manifest = image.manifest(); manifest && manifest->config.config.labels)
        attributes.insert(manifest->config.config.labels->begin(), manifest->config.config.labels->end());
    parts.events.publish("image", std::move(action), image.id.text(), std::move(attributes));
}

Result<oci::Reference> tagged_reference(const std::string& repository, const std::string& tag) {
    auto reference = TRY(oci::Reference::parse(repository));
    if (!reference.digest.empty()) return fail(ErrorKind::InvalidArgument, "cannot import digest reference");
    if (!tag.empty()) {
        if (!oci::is_valid_tag(tag)) return fail(ErrorKind::InvalidArgument, "invalid tag format");
        reference.tag = tag;
    }
    return reference.with_default_tag();
}

std::vector<json::Value> manifest_summaries(Parts& parts, const std::string& image_id) {
    std::vector<json::Value> summaries;
    auto found = parts.images.resolve(image_id);
    if (!found) return summaries;
    std::map<std::string, json::Array> users;  // by manifest
    for (auto& container : parts.containers.all())
        container->read([&](const container::Record& record) { users[record.manifest_digest].emplace_back(record.id); });
    for (auto& manifest : (*found)->manifests) {
        json::Object descriptor{{"mediaType", manifest.media_type}, {"digest", manifest.digest.text()}, {"size", manifest.size}};
        json::Value platform = manifest.platform ? json::to_value(*manifest.platform) : json::Value();
        if (!platform.is_null()) descriptor.set("platform", platform);
        int64_t unpacked = parts.images.unpacked_size(manifest);
        json::Object summary{{"ID", manifest.digest.text()}, {"Descriptor", std::move(descriptor)}, {"Available", manifest.available}};
        summary.set("Size", json::Object{{"Content", manifest.content_size}, {"Total", manifest.content_size + unpacked}});
        if (manifest.attestation) {
            summary.set("Kind", manifest.attests_for.empty() ? "unknown" : "attestation");
            if (!manifest.attests_for.empty()) summary.set("AttestationData", json::Object{{"For", manifest.attests_for}});
        } else {
            summary.set("Kind", "image");
            summary.set("ImageData",
                        json::Object{{"Platform", platform}, {"Containers", users[manifest.digest.text()]}, {"Size", json::Object{{"Unpacked", unpacked}}}});
        }
        summaries.emplace_back(std::move(summary));
    }
    return summaries;
}

Result<std::vector<docker::ImageSummary>> list_images(Parts& parts, const docker::Filters& filters, bool all, bool shared_size) {
    auto selection = TRY(make_selection(parts, filters));
    std::vector<docker::ImageSummary> summaries;
    for (auto& image : parts.images.list()) {
        Time created = created_of(*image);
        bool dangling = image->tags.empty();
        if (dangling && !all && parts.images.has_children(image->id)) continue;
        if (selection.dangling && *selection.dangling != dangling) continue;
        if (selection.before && created >= *selection.before) continue;
        if (selection.since && created <= *selection.since) continue;
        if (selection.until && created > *selection.until) continue;
        auto* manifest = image->manifest();
        docker::ImageSummary summary;
        if (manifest) summary.labels = manifest->config.config.labels;
        if (!filters.matches_labels(summary.labels.value_or(docker::StringMap()))) continue;
        summary.repo_tags = matching_names(filters, image->tags);
        summary.repo_digests = matching_names(filters, image->repository_digests);
        if (filters.has("reference") && summary.repo_tags.empty() && summary.repo_digests.empty()) continue;
        auto sizes = parts.images.sizes(*image);
        summary.id = image->id.text();
        summary.created = created.is_zero() ? 0 : created.seconds;
        summary.parent_id = image->parent.text();
        summary.size = sizes.unpacked;
        if (shared_size) summary.shared_size = sizes.shared;
        summary.descriptor = descriptor_of(*image);
        summaries.push_back(std::move(summary));
    }
    return summaries;
}

namespace {
/// The manifest that a question is about: that of `platform`, or the one that fits this host; nullptr when none is here.
Result<const store::ImageManifest*> asked_manifest(const store::Image& image, const std::string& reference, const std::optional<oci::Platform>& platform) {
    if (!platform) return image.manifest();
    auto* manifest = image.manifest_for(*platform);
    if (!manifest)
        return fail(ErrorKind::NotFound,
                    concat("image with reference ", reference, " was found but does not provide the specified platform (", platform->text(), ")"));
    return manifest;
}
}  // namespace

Result<docker::ImageInspect> inspect_image(Parts& parts, const std::string& reference, const std::optional<oci::Platform>& platform) {
    auto image = TRY(parts.images.resolve(reference));
    auto* manifest = TRY(asked_manifest(*image, reference, platform));
    docker::ImageInspect view;
    view.id = image->id.text();
    view.repo_tags = image->tags;
    view.repo_digests = image->repository_digests;
    view.parent = image->parent.text();
    view.size = platform ? parts.images.unpacked_size(*manifest) : parts.images.sizes(*image).unpacked;
    view.metadata.last_tag_time = image->last_tagged;
    view.descriptor = descriptor_of(*image);
    view.graph_driver.name = store::name_of(parts.images.driver());
    if (!manifest) return view;
    auto& config = manifest->config;
    view.comment = config.history.empty() ? config.comment : config.history.back().comment;
    view.created = config.created.value_or(kZeroTime);
    view.container = config.container;
    view.docker_version = config.docker_version;
    view.author = config.author;
    view.config = config.config;
    view.architecture = config.architecture;
    view.variant = config.variant;
    view.os = config.os;
    view.os_version = config.os_version;
    for (auto& diff : manifest->diff_ids) view.root_fs.layers.push_back(diff.text());
    if (auto lower = parts.images.lower_directories(*manifest); lower && !lower->empty() && parts.images.driver() == store::StorageDriver::Overlay2)
        view.graph_driver.data =
            docker::StringMap{{"UpperDir", lower->front()}, {"LowerDir", join(std::vector<std::string>(lower->begin() + 1, lower->end()), ":")}};
    return view;
}

Result<std::vector<docker::ImageHistory>> image_history(Parts& parts, const std::string& reference, const std::optional<oci::Platform>& platform) {
    auto image = TRY(parts.images.resolve(reference));
    auto* manifest = TRY(asked_manifest(*image, reference, platform));
    std::vector<docker::ImageHistory> entries;
    if (!manifest) return entries;
    for (auto& entry : parts.images.history(*image, *manifest)) {
        docker::ImageHistory line;
        line.comment = entry.comment;
        line.created = entry.created.is_zero() ? 0 : entry.created.seconds;
        line.created_by = entry.created_by;
        line.id = entry.id;
        line.size = entry.size;
        if (!entry.tags.empty()) line.tags = entry.tags;
        entries.push_back(std::move(line));
    }
    return entries;
}

Result<void> tag_image(Parts& parts, const std::string& reference, const std::string& repository, const std::string& tag) {
    auto name = TRY(tagged_reference(repository, tag));
    auto image = TRY(parts.images.resolve(reference));
    TRY(parts.images.tag(image->id, name));
    publish_image_event(parts, "tag", *image, name.familiar());
    return {};
}

namespace {
/// Containers by what their records say in `field` of the image they were made from.
store::ImageUsers users_by(Parts& parts, std::string container::Record::* field) {
    return [&parts, field](const codec::Digest& digest) {
        std::vector<store::ImageUser> found;
        for (auto& container : parts.containers.all())
            container->read([&](const container::Record& record) {
                if (record.*field == digest.text()) found.push_back(store::ImageUser{record.id, record.state.running});
            });
        return found;
    };
}

std::vector<docker::ImageDeleteItem> announce_removal(Parts& parts, const store::Image& image, const std::vector<store::RemovedItem>& removed_items) {
    std::vector<docker::ImageDeleteItem> items;
    for (auto& removed : removed_items) {
        docker::ImageDeleteItem item;
        (removed.deleted ? item.deleted : item.untagged) = removed.text;
        publish_image_event(parts, removed.deleted ? "delete" : "untag", image, image.id.text());
        items.push_back(std::move(item));
    }
    return items;
}
}  // namespace

Result<std::vector<docker::ImageDeleteItem>> remove_image(Parts& parts, const std::string& reference, bool force, bool prune_parents) {
    auto image = TRY(parts.images.resolve(reference));
    auto removed_items = TRY(parts.images.remove(reference, force, prune_parents, users_by(parts, &container::Record::image_id)));
    return announce_removal(parts, *image, removed_items);
}

Result<std::vector<docker::ImageDeleteItem>> remove_image_platforms(Parts& parts, const std::string& reference, const std::vector<oci::Platform>& platforms,
                                                                    bool force) {
    auto image = TRY(parts.images.resolve(reference));
    auto removed_items = TRY(parts.images.remove_platforms(reference, platforms, force, users_by(parts, &container::Record::manifest_digest)));
    return announce_removal(parts, *image, removed_items);
}

Result<void> load_images(Parts& parts, codec::Source& archive, bool quiet, const std::vector<oci::Platform>& platforms, const ProgressSink& progress) {
    auto report = [&](const store::LoadProgress& step) {
        if (quiet) return;
        (void)progress(moved_line("Loading layer", step.id, step.current, step.total));  // the load goes on when the client does not listen
    };
    auto loaded = TRY(parts.images.load_archive(archive, report, platforms));
    for (auto& one : loaded) {
        if (auto image = parts.images.find(one.id)) publish_image_event(parts, "load", *image, one.name.empty() ? one.id.text() : one.name);
        json::Object line;
        line.set("stream", one.name.empty() ? concat("Loaded image ID: ", one.id.text(), "\n") : concat("Loaded image: ", one.name, "\n"));
        TRY(progress(line));
    }
    keep_storage_budget(parts);
    return {};
}

Result<std::string> import_image(Parts& parts, codec::Source& archive, const std::string& repository, const std::string& tag, const std::string& message,
                                 const std::vector<std::string>& changes, const std::string& platform) {
    oci::RunConfig config;
    TRY(apply_image_changes(changes, config));
    std::optional<oci::Reference> name;
    if (!repository.empty()) name = TRY(tagged_reference(repository, tag));
    auto target = platform.empty() ? oci::Platform::host() : TRY(oci::Platform::parse(platform));
    auto image = TRY(parts.images.import_rootfs(archive, name, config, message.empty() ? "Imported from -" : message, target));
    publish_image_event(parts, "import", *image, name ? name->familiar() : image->id.text());
    keep_storage_budget(parts);
    return image->id.text();
}

}  // namespace proa::engine
