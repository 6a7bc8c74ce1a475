#include "compose/mounts.h"

#include <algorithm>

#include "base/text.h"
#include "codec/tar.h"

namespace proa::compose {

namespace {
/// "/src:/dst:ro,z" for HostConfig.Binds.
std::string bind_text(const std::string& source, const ServiceVolume& volume) {
    std::string options = volume.read_only ? "ro" : "rw";
    if (volume.bind && !volume.bind->selinux.empty()) options += concat(',', volume.bind->selinux);
    if (volume.bind && !volume.bind->propagation.empty()) options += concat(',', volume.bind->propagation);
    if (volume.volume && volume.volume->nocopy) options += ",nocopy";
    return concat(source, ':', volume.target, ':', options);
}

/// A named volume that is only a name for a directory of the host (driver_opts type none, o bind) stays a volume: its driver mounts it.
docker::MountRequest mount_request(const Project& project, const ServiceVolume& volume) {
    docker::MountRequest mount;
    mount.type = volume.type;
    mount.source = volume.source;
    mount.target = volume.target;
    mount.read_only = volume.read_only;
    mount.consistency = volume.consistency;
    if (volume.type == "volume") {
        if (auto found = project.volumes.find(volume.source); found != project.volumes.end()) mount.source = found->second.name;
        mount.volume_options.emplace();
        if (volume.volume) {
            mount.volume_options->no_copy = volume.volume->nocopy;
            mount.volume_options->subpath = volume.volume->subpath;
        }
    } else if (volume.type == "bind" && volume.bind) {
        mount.bind_options.emplace();
        mount.bind_options->propagation = volume.bind->propagation;
        mount.bind_options->non_recursive = volume.bind->recursive == "disabled";
        mount.bind_options->read_only_non_recursive = volume.bind->recursive == "writable";
        mount.bind_options->read_only_force_recursive = volume.bind->recursive == "readonly";
    } else if (volume.type == "tmpfs" && volume.tmpfs) {
        mount.tmpfs_options.emplace();
        mount.tmpfs_options->size_bytes = volume.tmpfs->size.value;
        mount.tmpfs_options->mode = static_cast<uint32_t>(volume.tmpfs->mode);
    } else if (volume.type == "image" && volume.image) {
        mount.image_options = docker::ImageOptions{volume.image->subpath};
    }
    return mount;
}

/// What the container before had there, when it was a volume without a name or one that the image declares.
docker::MountRequest inherited_mount(const json::Value& before) {
    docker::MountRequest mount;
    mount.type = before["Type"].as_string();
    mount.source = mount.type == "volume" ? before["Name"].as_string() : before["Source"].as_string();
    mount.target = before["Destination"].as_string();
    mount.read_only = !before["RW"].as_bool();
    return mount;
}

std::string file_target(const FileReference& reference, bool secret) {
    std::string target = reference.target.empty() ? reference.source : reference.target;
    if (target.starts_with('/')) return target;
    return concat(secret ? "/run/secrets/" : "/", target);
}

/// Secrets and configs that stand in a file of the host.
Result<void> add_file_mounts(const std::vector<FileReference>& references, const std::map<std::string, FileObject>& objects, bool secret,
                             ContainerMounts& out) {
    for (auto& reference : references) {
        auto found = objects.find(reference.source);
        if (found == objects.end()) continue;
        if (found->second.external) return fail(ErrorKind::Unsupported, concat("unsupported external ", secret ? "secret " : "config ", found->second.name));
        if (found->second.file.empty()) continue;
        docker::MountRequest mount;
        mount.type = "bind";
        mount.source = found->second.file;
        mount.target = file_target(reference, secret);
        mount.read_only = true;
        out.mounts.push_back(std::move(mount));
    }
    return {};
}

Result<void> add_copies(const Service& service, const std::vector<FileReference>& references, const std::map<std::string, FileObject>& objects, bool secret,
                        std::vector<CopiedFile>& out) {
    for (auto& reference : references) {
        auto found = objects.find(reference.source);
        if (found == objects.end() || found->second.external || !found->second.file.empty()) continue;
        auto& object = found->second;
        if (!object.known)
            return fail(ErrorKind::InvalidArgument, concat("environment variable ", quote(object.environment), " required by ", secret ? "secret " : "config ",
                                                           quote(object.name), " is not set"));
        if (service.read_only)
            return fail(ErrorKind::InvalidArgument, concat("cannot create ", secret ? "secret " : "config ", quote(object.name), " in read-only service ",
                                                           service.name, ": `file` is the sole supported option"));
        CopiedFile file{.path = file_target(reference, secret), .content = object.content};
        file.uid = parse_int(reference.uid).value_or(0);
        file.gid = parse_int(reference.gid).value_or(0);
        if (reference.mode) file.mode = *reference.mode;
        out.push_back(std::move(file));
    }
    return {};
}

class TextSink : public codec::Sink {
public:
    Result<void> write(std::string_view bytes) override {
        text.append(bytes);
        return {};
    }
    std::string text;
};
}  // namespace

Result<ContainerMounts> container_mounts(const Project& project, const Service& service, const ContainerTraits& traits) {
    ContainerMounts out;
    std::map<std::string, const json::Value*> before;
    for (auto& mount : traits.inherited.as_array())
        if (auto& type = mount["Type"].as_string(); type != "tmpfs" && type != "image") before[mount["Destination"].as_string()] = &mount;
    // Of two entries for one target the last one counts.
    std::map<std::string, const ServiceVolume*> wanted;
    std::vector<std::string> order;
    for (auto& volume : service.volumes) {
        if (!wanted.contains(volume.target)) order.push_back(volume.target);
        wanted[volume.target] = &volume;
    }
    for (auto& member : traits.image_volumes.as_object()) {
        auto found = before.find(member.name);
        if (found != before.end() && !wanted.contains(member.name)) out.mounts.push_back(inherited_mount(*found->second));
    }
    for (auto& target : order) {
        auto& volume = *wanted[target];
        auto found = before.find(target);
        if (volume.source.empty() && volume.type == "volume" && found != before.end()) {
            out.mounts.push_back(inherited_mount(*found->second));
        } else if (volume.type == "bind" && volume.bind && volume.bind->create_host_path) {
            out.binds.push_back(bind_text(volume.source, volume));
        } else {
            out.mounts.push_back(mount_request(project, volume));
        }
    }
    TRY(add_file_mounts(service.secrets, project.secrets, true, out));
    TRY(add_file_mounts(service.configs, project.configs, false, out));
    return out;
}

Result<std::vector<CopiedFile>> copied_files(const Project& project, const Service& service) {
    std::vector<CopiedFile> files;
    TRY(add_copies(service, service.secrets, project.secrets, true, files));
    TRY(add_copies(service, service.configs, project.configs, false, files));
    return files;
}

Result<std::string> archive_of(const std::vector<CopiedFile>& files) {
    TextSink out;
    codec::TarWriter tar(out);
    for (auto& file : files) {
        codec::TarEntry entry{.type = codec::TarType::Regular, .name = file.path, .link_name = {}, .mode = static_cast<mode_t>(file.mode)};
        entry.uid = file.uid;
        entry.gid = file.gid;
        entry.size = file.content.size();
        TRY(tar.add(entry, file.content));
    }
    TRY(tar.finish());
    return out.text;
}

}  // namespace proa::compose
