#include "engine/mount_syntax.h"

#include "os/file.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

constexpr std::string_view kPropagations[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};
constexpr std::string_view kConsistencies[] = {"consistent", "cached", "delegated", "default"};

template <size_t N>
bool is_among(std::string_view word, const std::string_view (&words)[N]) {
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

/// The words behind the second colon; each kind at most once.
struct BindMode {
    bool read_only = false;
    std::optional<bool> copy;
    std::string propagation;
};

std::optional<BindMode> parse_bind_mode(std::string_view text) {
    BindMode mode;
    int access = 0, label = 0, owner = 0, propagation = 0, copy = 0, consistency = 0;
    for (auto& word : split(text, ',')) {
        if (word == "ro" || word == "rw") {
            access++;
            mode.read_only = word == "ro";
        } else if (word == "z" || word == "Z") {
            label++;
        } else if (word == "U") {  // our own: the source is given to the container's user
            owner++;
        } else if (is_among(word, kPropagations)) {
            propagation++;
            mode.propagation = word;
        } else if (word == "nocopy" || word == "copy") {
            copy++;
            mode.copy = word == "copy";
        } else if (is_among(word, kConsistencies) && word != "default") {
            consistency++;
        } else {
            return std::nullopt;
        }
    }
    if (access > 1 || label > 1 || owner > 1 || propagation > 1 || copy > 1 || consistency > 1) return std::nullopt;
    return mode;
}

Unexpected bad_mount(const docker::MountRequest& request, std::string_view why) {
    return invalid(concat("invalid mount config for type ", quote(request.type), ": ", why));
}

/// Go's filepath.IsLocal.
bool is_local_path(std::string_view path) {
    if (path.empty() || path[0] == '/') return false;
    std::string clean = os::clean_path(path);
    return clean != ".." && !clean.starts_with("../");
}

Result<void> check_options(const docker::MountRequest& request) {
    auto extra = [&](std::string_view field) { return invalid(concat(field, " must not be specified on mount type ", quote(request.type))); };
    if (request.bind_options && request.type != "bind") return extra("BindOptions");
    if (request.volume_options && request.type != "volume") return extra("VolumeOptions");
    if (request.tmpfs_options && request.type != "tmpfs") return extra("TmpfsOptions");
    if (request.image_options && request.type != "image") return extra("ImageOptions");
    if (!request.consistency.empty() && !is_among(request.consistency, kConsistencies))
        return bad_mount(request, concat("invalid consistency: ", quote(request.consistency)));
    return {};
}

Result<void> plan_bind(const docker::MountRequest& request, PlannedMount& mount) {
    auto& point = mount.point;
    if (request.source.empty()) return bad_mount(request, "field Source must not be empty");
    docker::BindOptions options = request.bind_options.value_or(docker::BindOptions());
    if (!options.propagation.empty() && !is_among(options.propagation, kPropagations))
        return bad_mount(request, concat("invalid propagation mode: ", options.propagation));
    if (!request.source.starts_with('/')) return bad_mount(request, concat("invalid mount path: '", request.source, "' mount path must be absolute"));
    if (options.read_only_force_recursive && (!request.read_only || options.non_recursive || options.read_only_non_recursive))
        return bad_mount(request, "BindOptions.ReadOnlyForceRecursive needs ReadOnly, and neither NonRecursive nor ReadOnlyNonRecursive");
    if (options.read_only_force_recursive && !options.propagation.empty() && options.propagation != "rprivate")
        return bad_mount(request, "BindOptions.ReadOnlyForceRecursive needs propagation rprivate");
    if (!options.id_map.empty() && options.id_map != "match-user") return bad_mount(request, concat("invalid IDMap: ", quote(options.id_map), ", must be \"match-user\""));
    point.source = os::clean_path(request.source);
    point.propagation = options.propagation.empty() ? "rprivate" : options.propagation;
    mount.make_source = options.create_mountpoint;
    return {};
}

Result<void> plan_volume(const docker::MountRequest& request, PlannedMount& mount) {
    docker::VolumeOptions options = request.volume_options.value_or(docker::VolumeOptions());
    bool anonymous = request.source.empty();
    if (!options.subpath.empty() && anonymous) return bad_mount(request, "must not set Subpath when using anonymous volumes");
    if (!options.subpath.empty() && !is_local_path(options.subpath)) return bad_mount(request, "subpath must be a relative path within the volume");
    if (anonymous && request.read_only) return bad_mount(request, "must not set ReadOnly mode when using anonymous volumes");
    mount.anonymous = anonymous;
    mount.copy = !options.no_copy;
    mount.volume.name = request.source;
    if (options.driver_config) {
        mount.volume.driver = options.driver_config->name;
        if (!options.driver_config->options.empty()) mount.volume.options = options.driver_config->options;
    }
    if (request.volume_options) mount.volume.labels = options.labels;
    return {};
}

Result<void> plan_image(const docker::MountRequest& request, PlannedMount& mount) {
    if (request.source.empty()) return bad_mount(request, "field Source must not be empty");
    if (request.image_options && !request.image_options->subpath.empty() && !is_local_path(request.image_options->subpath))
        return bad_mount(request, "subpath must be a relative path within the image");
    mount.point.name = request.source;
    mount.point.rw = false;
    return {};
}

}  // namespace

Result<PlannedMount> parse_mount(const docker::MountRequest& request) {
    if (request.target.empty()) return bad_mount(request, "field Target must not be empty");
    if (os::clean_path(request.target) == "/") return bad_mount(request, "invalid specification: destination can't be '/'");
    if (!request.target.starts_with('/')) return bad_mount(request, concat("invalid mount path: '", request.target, "' mount path must be absolute"));
    if (request.type == "cluster") return fail(ErrorKind::Unsupported, "mount type cluster needs swarm mode, which is not supported by this engine");
    TRY(check_options(request));
    PlannedMount mount;
    mount.point.type = request.type;
    mount.point.destination = os::clean_path(request.target);
    mount.point.rw = !request.read_only;
    if (request.type == "bind") TRY(plan_bind(request, mount));
    else if (request.type == "volume") TRY(plan_volume(request, mount));
    else if (request.type == "image") TRY(plan_image(request, mount));
    else if (request.type != "tmpfs") return bad_mount(request, "mount type unknown");
    else if (!request.source.empty()) return bad_mount(request, "field Source must not be specified");
    return mount;
}

Result<PlannedMount> parse_bind(const std::string& bind, const std::string& driver) {
    auto parts = split(bind, ':');
    auto bad = [&] { return invalid(concat("invalid volume specification: '", bind, "'")); };
    if (parts.size() > 3 || parts[0].empty()) return bad();
    if (parts.size() == 2 && parse_bind_mode(parts[1])) return bad();  // a mode without a source means nothing
    docker::MountRequest request;
    request.target = parts[parts.size() == 1 ? 0 : 1];
    if (parts.size() > 1) request.source = parts[0];
    auto mode = parse_bind_mode(parts.size() == 3 && !parts[2].empty() ? parts[2] : "rw");
    if (!mode) return invalid(concat("invalid mode: ", parts[2]));
    bool is_path = request.source.starts_with('/');
    request.type = is_path ? "bind" : "volume";
    if (!is_path && !mode->propagation.empty())
        return invalid(concat("invalid volume specification: '", bind, "': invalid mount config for type \"volume\": field BindOptions must not be specified"));
    if (is_path && mode->copy)
        return invalid(concat("invalid volume specification: '", bind, "': invalid mount config for type \"bind\": field VolumeOptions must not be specified"));
    request.read_only = mode->read_only;
    if (!mode->propagation.empty()) request.bind_options.emplace().propagation = mode->propagation;
    if (mode->copy) request.volume_options.emplace().no_copy = !*mode->copy;
    auto mount = parse_mount(request);
    if (!mount) return fail(std::move(mount).error().wrap(concat("invalid volume specification: '", bind, "'")));
    if (parts.size() == 3) mount->point.mode = parts[2];
    mount->propagation_asked = !mode->propagation.empty();
    mount->make_source = is_path;
    mount->volume.labels.reset();
    if (!is_path) mount->volume.driver = driver;
    return mount;
}

}  // namespace proa::engine
