#include "engine/commit_container.h"

#include <algorithm>

#include "base/log.h"
#include "engine/container_events.h"
#include "engine/image_changes.h"
#include "engine/images.h"
#include "engine/pause_container.h"
#include "engine/storage_budget.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

/// Nothing changed: two zero blocks.
constexpr std::string_view kEmptyLayer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// What `config` leaves open comes from the container. API: as images' and requests' configurations are merged at create.
void fill_in(docker::ContainerConfig& config, const docker::ContainerConfig& own) {
    if (config.user.empty()) config.user = own.user;
    if (own.exposed_ports) {
        if (!config.exposed_ports) config.exposed_ports.emplace();
        config.exposed_ports->merge(*own.exposed_ports);
    }
    if (own.volumes) {
        if (!config.volumes) config.volumes.emplace();
        config.volumes->insert(own.volumes->begin(), own.volumes->end());
    }
    if (own.labels) {
        if (!config.labels) config.labels.emplace();
        config.labels->insert(own.labels->begin(), own.labels->end());
    }
    for (auto& entry : own.env.value_or(std::vector<std::string>())) {
        if (!config.env) config.env.emplace();
        std::string name = entry.substr(0, entry.find('='));
        if (std::none_of(config.env->begin(), config.env->end(), [&](auto& has) { return has.substr(0, has.find('=')) == name; })) config.env->push_back(entry);
    }
    if (!config.entrypoint || config.entrypoint->empty()) {
        if (!config.cmd || config.cmd->empty()) config.cmd = own.cmd;
        if (!config.entrypoint) config.entrypoint = own.entrypoint;
    }
    if (!config.healthcheck) config.healthcheck = own.healthcheck;
    if (config.working_dir.empty()) config.working_dir = own.working_dir;
    if (config.stop_signal.empty()) config.stop_signal = own.stop_signal;
}

/// The container's image as it was when the container was made, also when nothing names it any more.
struct Base {
    store::ImagePointer image;  ///< nullptr: gone, or there never was one
    oci::ImageConfig config;
    std::vector<oci::Descriptor> layers;
    std::vector<codec::Digest> diff_ids;
};

Result<Base> find_base(Parts& parts, store::Lease& lease, const Record& record) {
    Base base;
    auto platform = oci::Platform::host();
    base.config.architecture = platform.architecture;
    base.config.os = platform.os;
    base.config.variant = platform.variant;
    auto id = codec::Digest::parse(record.image_id);
    if (!id) return base;
    base.image = parts.images.find(*id);
    if (base.image) {
        for (auto& manifest : base.image->manifests) {
            if (manifest.digest.text() != record.manifest_digest || !manifest.available) continue;
            base.config = manifest.config;
            base.layers = manifest.layers;
            base.diff_ids = manifest.diff_ids;
            return base;
        }
    }
    base.image.reset();
    auto lower = TRY(parts.images.lower_directories_of(record.id));
    for (size_t i = lower.size() - 1; i-- > 0;) {  // the last one is not of the image
        auto layer = TRY(parts.images.copy_layer(lease, lower[i]));
        base.layers.push_back(store::layer_descriptor(layer));
        base.diff_ids.push_back(layer.diff_id);
    }
    return base;
}

/// Frozen from construction to destruction, when it runs and was not paused before.
class Pause {
public:
    Pause(Parts& parts, const ContainerPointer& container) : parts_(parts), container_(container) {}
    Result<void> begin() {
        auto state = container_->state();
        if (!state.running || state.paused || state.restarting) return {};
        TRY(pause_container(parts_, container_));
        paused_ = true;
        return {};
    }
    ~Pause() {
        if (!paused_) return;
        auto done = unpause_container(parts_, container_);
        if (!done) log::warn(concat("container ", container_->id(), " could not be unpaused after commit: ", done.error().message()));
    }

private:
    Parts& parts_;
    const ContainerPointer& container_;
    bool paused_ = false;
};

Result<void> check_state(const Record& record) {
    if (record.state.dead) return fail(ErrorKind::Conflict, concat("You cannot commit container ", record.id, " which is Dead"));
    if (record.removing) return fail(ErrorKind::Conflict, concat("You cannot commit container ", record.id, " which is being removed"));
    return {};
}

}  // namespace

Result<std::string> commit_container(Parts& parts, const ContainerPointer& container, const CommitOptions& options) {
    auto record = container->record();
    TRY(check_state(record));
    docker::ContainerConfig config = options.config.value_or(record.config);
    TRY(apply_image_changes(options.changes, config));
    fill_in(config, record.config);
    if (config.volumes && config.volumes->empty()) config.volumes.reset();  // docker's client sends an empty object with each create
    std::vector<oci::Reference> names;
    if (!options.repository.empty()) names.push_back(TRY(tagged_reference(options.repository, options.tag)));

    Pause pause(parts, container);
    if (options.pause) TRY(pause.begin());
    store::Lease lease = parts.images.lease();
    Base base = TRY(find_base(parts, lease, record));
    auto changed = TRY(parts.images.changed_tree(record.id));
    auto layer = TRY(parts.images.copy_layer(lease, changed.path()));
    oci::ImageConfig image = base.config;
    static_cast<docker::ContainerConfig&>(image.config) = config;
    image.created = now();
    image.author = options.author;
    image.comment = options.comment;
    image.container = record.id;
    image.parent = base.image ? base.image->id.text() : "";
    bool is_empty = layer.diff_id.text() == kEmptyLayer;
    if (!is_empty) {
        base.layers.push_back(store::layer_descriptor(layer));
        base.diff_ids.push_back(layer.diff_id);
    }
    image.history.push_back({.created = image.created,
                             .created_by = join(record.config.cmd.value_or(std::vector<std::string>()), " "),
                             .author = options.author,
                             .comment = options.comment,
                             .empty_layer = is_empty});
    auto made = TRY(parts.images.create_image(lease, image, base.layers, base.diff_ids, names, base.image ? base.image->id : codec::Digest()));
    std::string name = names.empty() ? "" : names[0].familiar();
    if (!names.empty()) publish_image_event(parts, "tag", *made, name);
    publish_container_event(parts.events, *container, "commit", {{"comment", options.comment}, {"imageID", made->id.text()}, {"imageRef", name}});
    keep_storage_budget(parts);
    return made->id.text();
}

}  // namespace proa::engine
