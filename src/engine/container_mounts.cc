#include "engine/container_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/id.h"
#include "base/log.h"
#include "container/layer_view.h"
#include "engine/find_image.h"
#include "engine/mount_syntax.h"
#include "engine/volumes.h"
#include "os/file.h"
#include "os/mount.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using container::Record;

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

const std::vector<std::string>& words_of(const docker::Strings& strings) {
    static const std::vector<std::string> kNone;
    return strings ? *strings : kNone;
}

/// Every destination once; what is inherited gives way.
class Plan {
public:
    Result<void> add(PlannedMount mount) {
        const std::string& destination = mount.point.destination;
        if (!own_.insert(destination).second) return invalid(concat("Duplicate mount point: ", destination));
        inherit(std::move(mount));
        return {};
    }
    void inherit(PlannedMount mount) {
        std::erase_if(mounts_, [&](auto& other) { return other.point.destination == mount.point.destination; });
        mounts_.push_back(std::move(mount));
    }
    bool has(const std::string& destination) const {
        return tmpfs_.contains(destination) || std::any_of(mounts_.begin(), mounts_.end(), [&](auto& mount) { return mount.point.destination == destination; });
    }
    void reserve(const std::string& destination) { tmpfs_.insert(destination); }
    bool is_tmpfs(const std::string& destination) const { return tmpfs_.contains(destination); }
    std::vector<PlannedMount> take() { return std::move(mounts_); }

private:
    std::vector<PlannedMount> mounts_;
    std::set<std::string> own_, tmpfs_;
};

/// `CONTAINER[:ro|rw|z|Z]`.
Result<void> inherit_from(const Parts& parts, const std::string& reference, Plan& plan) {
    auto halves = cut(reference, ":");
    std::string_view mode = halves ? halves->second : "rw";
    if (reference.empty()) return invalid("volumes-from specification cannot be an empty string");
    if (halves && halves->first.empty()) return invalid(concat("volumes-from must be in the form \"container[:mode]\": ", quote(reference)));
    if (mode != "rw" && mode != "ro" && mode != "z" && mode != "Z") return invalid(concat("invalid mode: ", mode));
    auto other = parts.containers.find(halves ? halves->first : reference);
    if (!other) return fail(std::move(other).error().with_kind(ErrorKind::InvalidArgument));
    auto record = (*other)->record();
    for (auto& point : record.mounts) {
        if (point.type != "volume" && point.type != "bind") continue;
        PlannedMount mount;
        mount.point = point;
        mount.point.mode.clear();
        mount.point.rw = point.rw && mode != "ro";
        mount.inherited = true;
        mount.anonymous = std::find(record.anonymous_volumes.begin(), record.anonymous_volumes.end(), point.name) != record.anonymous_volumes.end() && !point.name.empty();
        plan.inherit(std::move(mount));
    }
    return {};
}

/// As the container's root sees them.
container::LayerIds layer_ids(const Parts& parts, const docker::HostConfig& host) {
    if (!is_remapped(parts.remap, host)) return {};
    return {parts.images.layers_directory(), parts.remap.space.get()};
}

/// What a container sees from `below` downward, without its mounts, as a detached tree.
Result<os::Fd> open_tree(Parts& parts, const std::string& id, const os::PathInRoot& below, const container::LayerIds& ids) {
    auto layer = parts.images.writable_layer(id);
    if (parts.images.driver() == store::StorageDriver::Vfs) {
        auto root = TRY(os::RootDirectory::at(layer.merged, os::Scope::Beneath));
        return os::clone_tree(below.name().empty() ? root.fd() : TRY(root.open_path(below)).get(), false, below.text());
    }
    auto lower = TRY(parts.images.lower_directories_of(id));
    lower.insert(lower.begin(), layer.upper);
    return container::open_layers(lower, layer.merged, below, ids);
}

/// The image's tree, opened when it is first needed.
class ImageTree {
public:
    ImageTree(Parts& parts, const Record& record) : parts_(parts), id_(record.id), ids_(layer_ids(parts, record.host_config)) {}

    /// The directory at `destination` in the image; nullopt when there is none.
    Result<std::optional<os::Fd>> directory(const PlannedMount& mount) {
        if (!root_) root_ = os::RootDirectory(TRY_WRAP("open the image's layers", open_tree(parts_, id_, os::PathInRoot("/"), ids_)));
        os::PathInRoot path(mount.point.destination);
        auto found = root_.stat(path);
        if (!found) {
            bool missing = found.error().number() == ENOENT || found.error().number() == ENOTDIR || found.error().number() == ELOOP;
            return missing ? Result<std::optional<os::Fd>>(std::nullopt) : fail(std::move(found).error());
        }
        if (!S_ISDIR(found->st_mode)) {
            if (mount.of_image) return invalid(concat("cannot mount volume over existing file, file exists ", mount.point.destination));
            return std::nullopt;
        }
        return TRY(root_.open(path, O_RDONLY | O_DIRECTORY));
    }

private:
    Parts& parts_;
    const std::string& id_;
    container::LayerIds ids_;
    os::RootDirectory root_;
};

Result<void> make_volume(Parts& parts, Record& record, PlannedMount& mount, ImageTree& image) {
    auto& point = mount.point;
    if (mount.inherited) {
        TRY(parts.volumes.add_reference(point.name, record.id));
        return {};
    }
    std::optional<os::Fd> content;
    if (mount.copy || mount.of_image) content = TRY(image.directory(mount));
    mount.volume.reference = record.id;
    auto volume = TRY(create_volume(parts, mount.volume));
    point.name = volume.name;
    point.driver = volume.driver;
    point.source = volume.mountpoint;
    if (volume.driver == volume::kLocalDriver && point.mode.empty() && !mount.of_image) point.mode = "z";
    if (mount.copy && content) TRY(parts.volumes.fill_when_empty(point.name, content->get()));
    return {};
}

std::string image_layer_name(const Record& record, size_t index) { return concat(record.id, "-image-", index); }

Result<void> hold_image(Parts& parts, const Record& record, docker::MountPoint& point, size_t index) {
    auto image = TRY(find_image(parts.images, point.name, ""));
    TRY(parts.images.create_writable_layer(image_layer_name(record, index), TRY(codec::Digest::parse(image.manifest_digest))));
    point.source = image.id;
    return {};
}

const docker::MountRequest* request_for(const Record& record, const docker::MountPoint& point) {
    for (auto& request : record.host_config.mounts)
        if (os::clean_path(request.target) == point.destination && request.type == point.type) return &request;
    return nullptr;
}

/// What is below a subpath of a volume: resolved with the volume as its root, so that no link in it leads outside (C8).
Result<os::Fd> open_subpath(const std::string& volume, const std::string& subpath) {
    auto root = TRY(os::RootDirectory::at(volume, os::Scope::Beneath));
    auto found = root.open_path(os::PathInRoot(os::clean_path(subpath)));
    if (!found) {
        std::string path = os::join_path(volume, subpath);
        if (found.error().number() == ENOENT) return fail(ErrorKind::NotFound, concat("cannot access path ", path, ": lstat ", path, ": no such file or directory"), ENOENT);
        if (found.error().number() == EXDEV)
            return fail(ErrorKind::InvalidArgument, concat("path concatenation escapes the base directory, base: ", volume, ", subpath: ", subpath), EXDEV);
        return fail(std::move(found).error().with_kind(ErrorKind::InvalidArgument).wrap(concat("cannot access path ", path)));
    }
    return os::clone_tree(found->get(), true, subpath);
}

Result<os::Fd> open_image(Parts& parts, const Record& record, const docker::MountRequest* request, size_t index) {
    os::PathInRoot below(request && request->image_options && !request->image_options->subpath.empty() ? request->image_options->subpath : "/");
    return open_tree(parts, image_layer_name(record, index), below, layer_ids(parts, record.host_config));
}

Result<void> attach_volume(Parts& parts, Record& record, docker::MountPoint& point, MountAttachment& attachment) {
    point.source = TRY(parts.volumes.mount(point.name, record.id));
    auto* request = request_for(record, point);
    if (request && request->volume_options && !request->volume_options->subpath.empty()) {
        attachment.trees.push_back(TRY(open_subpath(point.source, request->volume_options->subpath)));
        attachment.destinations.push_back(point.destination);
    }
    parts.events.publish("volume", "mount", point.name,
                         {{"container", record.id}, {"destination", point.destination}, {"driver", point.driver}, {"propagation", point.propagation},
                          {"read/write", point.rw ? "true" : "false"}});
    return {};
}

}  // namespace

namespace {

/// A bind that shows the daemon's own directories must not keep what it mounts and unmounts there: rslave unless the user says otherwise.
Result<void> check_data_root(const Parts& parts, docker::MountPoint& point, bool propagation_asked) {
    auto& root = parts.paths.data_root;
    if (point.type != "bind" || !(point.source.starts_with(root) || root.starts_with(point.source))) return {};
    if (!propagation_asked) point.propagation = "rslave";
    if (point.propagation == "rslave" || point.propagation == "rshared") return {};
    return invalid(concat("invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount source is within the daemon root, daemon root: ", quote(root),
                          ", bind mount source: ", quote(point.source), ", propagation: ", quote(point.propagation)));
}

}  // namespace

Result<std::vector<PlannedMount>> plan_mounts(const Parts& parts, const docker::ContainerConfig& config, const docker::HostConfig& host) {
    std::vector<PlannedMount> requested;
    for (auto& request : host.mounts) {
        auto mount = TRY(parse_mount(request));
        if (mount.point.type == "bind" && !mount.make_source && !os::exists(mount.point.source))
            return invalid(concat("invalid mount config for type \"bind\": bind source path does not exist: ", mount.point.source));
        TRY(check_data_root(parts, mount.point, request.bind_options && !request.bind_options->propagation.empty()));
        requested.push_back(std::move(mount));
    }
    Plan plan;
    for (auto& reference : words_of(host.volumes_from)) TRY(inherit_from(parts, reference, plan));
    for (auto& [destination, options] : host.tmpfs) {
        if (!destination.starts_with('/')) return invalid(concat("invalid mount path: '", destination, "' mount path must be absolute"));
        plan.reserve(os::clean_path(destination));
    }
    for (auto& bind : words_of(host.binds)) {
        auto mount = TRY(parse_bind(bind, host.volume_driver));
        TRY(check_data_root(parts, mount.point, mount.propagation_asked));
        if (plan.is_tmpfs(mount.point.destination)) return invalid(concat("Duplicate mount point: ", mount.point.destination));
        TRY(plan.add(std::move(mount)));
    }
    for (auto& mount : requested) TRY(plan.add(std::move(mount)));
    for (auto& [path, empty] : config.volumes.value_or(docker::Set())) {
        std::string destination = os::clean_path("/" + path);
        if (destination == "/") return invalid(concat("invalid volume specification: '", path, "': invalid specification: destination can't be '/'"));
        if (plan.has(destination)) continue;
        PlannedMount mount;
        mount.point.type = "volume";
        mount.point.destination = destination;
        mount.copy = mount.anonymous = mount.of_image = true;
        mount.volume.driver = host.volume_driver;
        TRY(plan.add(std::move(mount)));
    }
    return plan.take();
}

Result<void> make_mounts(Parts& parts, Record& record, std::vector<PlannedMount> planned) {
    ImageTree image(parts, record);
    size_t images = 0;
    for (auto& mount : planned) {
        auto& point = mount.point;
        if (point.type == "bind" && mount.make_source && !os::exists(point.source)) {
            TRY_WRAP(concat("error while creating mount source path '", point.source, "'"), os::make_directories(point.source, 0755));
        } else if (point.type == "volume") {
            auto made = make_volume(parts, record, mount, image);
            // What was made before the failure is in the record, so that it can be undone.
            if (!point.name.empty()) record.mounts.push_back(point);
            if (mount.anonymous && !point.name.empty()) record.anonymous_volumes.push_back(point.name);
            TRY(std::move(made));
            continue;
        } else if (point.type == "image") {
            TRY(hold_image(parts, record, point, images++));
        }
        record.mounts.push_back(point);
    }
    return {};
}

void claim_mounts(Parts& parts, const Record& record) {
    for (auto& name : record.anonymous_volumes) {
        auto claimed = parts.volumes.claim(name);
        if (!claimed) log::warn(concat("volume ", name, ": ", claimed.error().message()));  // boot finds the container's record
    }
}

std::vector<std::string> image_mount_layers(const Record& record) {
    std::vector<std::string> names;
    for (auto& point : record.mounts)
        if (point.type == "image") names.push_back(image_layer_name(record, names.size()));
    return names;
}

void drop_mounts(Parts& parts, const Record& record, bool remove_anonymous) {
    for (auto& name : image_mount_layers(record)) {
        auto removed = parts.images.remove_writable_layer(name);
        if (!removed) log::warn(concat("the layers of a mounted image are kept: ", removed.error().message()));
    }
    for (auto& point : record.mounts)
        if (point.type == "volume") parts.volumes.drop_reference(point.name, record.id);
    if (!remove_anonymous) return;
    for (auto& name : record.anonymous_volumes) {
        auto removed = remove_volume(parts, name, false);
        bool fine = removed || removed.error().is(ErrorKind::Conflict) || removed.error().is(ErrorKind::NotFound);
        if (!fine) log::warn(concat("an anonymous volume of container ", record.id, " is kept: ", removed.error().message()));
    }
}

Result<MountAttachment> attach_mounts(Parts& parts, Record& record) {
    MountAttachment attachment;
    size_t images = 0;
    for (auto& point : record.mounts) {
        Result<void> attached;
        if (point.type == "volume") {
            attached = attach_volume(parts, record, point, attachment);
        } else if (point.type == "image") {
            auto tree = open_image(parts, record, request_for(record, point), images++);
            if (tree) {
                attachment.trees.push_back(std::move(*tree));
                attachment.destinations.push_back(point.destination);
            } else {
                attached = fail(std::move(tree).error());
            }
        }
        if (attached) continue;
        detach_mounts(parts, record);
        return fail(std::move(attached).error());
    }
    return attachment;
}

Result<std::string> lend_mount(Parts& parts, const Record& record, const docker::MountPoint& point, std::vector<std::shared_ptr<void>>& lease) {
    auto* request = request_for(record, point);
    if (point.type == "image" || (request && request->volume_options && !request->volume_options->subpath.empty()))
        return fail(ErrorKind::Unsupported, concat("the mount on ", point.destination, " of a container that does not run cannot be opened: it is ",
                                                   point.type == "image" ? "an image" : "a part of a volume"));
    if (point.type == "bind") return os::exists(point.source) ? point.source : std::string();
    if (point.type != "volume") return std::string();
    std::string user = concat("copy-", random_hex(8));
    std::string path = TRY(parts.volumes.mount(point.name, user));
    lease.emplace_back(nullptr, [&parts, name = point.name, user](void*) {
        auto unmounted = parts.volumes.unmount(name, user);
        if (!unmounted) log::warn(concat("volume ", name, " could not be unmounted: ", unmounted.error().message()));
    });
    return path;
}

void detach_mounts(Parts& parts, const Record& record) {
    for (auto& point : record.mounts) {
        if (point.type != "volume" || !parts.volumes.is_mounted_by(point.name, record.id)) continue;
        auto unmounted = parts.volumes.unmount(point.name, record.id);
        if (!unmounted) log::warn(concat("volume ", point.name, " could not be unmounted: ", unmounted.error().message()));
        parts.events.publish("volume", "unmount", point.name, {{"container", record.id}, {"driver", point.driver}});
    }
}

void adopt_mounts(Parts& parts, const Record& record) {
    for (auto& point : record.mounts) {
        if (point.type != "volume") continue;
        auto referred = parts.volumes.add_reference(point.name, record.id);
        if (!referred) log::warn(concat("container ", record.id, ": ", referred.error().message()));
        if (record.state.running && !record.state.restarting) parts.volumes.adopt_mount(point.name, record.id);
    }
}

}  // namespace proa::engine
