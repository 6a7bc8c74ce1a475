#pragma once
#include "os/user_namespace.h"
#include "runtime/plan.h"
#include "schema/docker/container.h"

// userns-remap: root in a container is a plain user outside. On disk, layers keep the ids of inside and are shown with mapped ids where they are mounted, so
// that images are stored once and commits, copies and exports need no translation; volumes and a container's own files belong to the ids outside.
namespace proa::engine {

struct Paths;
struct Parts;
struct Settings;

struct UserRemap {
    os::IdMaps maps;                      ///< empty: containers use the host's ids
    uint32_t root_uid = 0, root_gid = 0;  ///< of the root inside, outside
    os::Fd space;                         ///< a user namespace with these maps that nobody is in

    bool active() const { return !maps.empty(); }
    std::vector<runtime::IdMapping> user_mappings() const;
    std::vector<runtime::IdMapping> group_mappings() const;
};

/// What the directive `userns-remap` says: "", `default`, `user`, `user:group`, `uid` or `uid:gid`, with the ranges of /etc/subuid and /etc/subgid. For
/// `default` the system user dockremap and its ranges are made when they are missing. Errors: InvalidArgument that names what is missing.
Result<UserRemap> resolve_user_remap(const std::string& directive);

/// Where the daemon keeps its data: each mapping has a directory of its own, `UID.GID`, which is made here so that the root inside may pass.
Result<std::string> data_root_of(const Settings& settings, const UserRemap& remap);
/// Whether `layers_directory` can be shown with mapped ids. Errors: Unsupported, with what is missing.
Result<void> check_user_remap(const UserRemap& remap, const std::string& layers_directory);

/// Whether the container's ids are mapped.
bool is_remapped(const UserRemap& remap, const docker::HostConfig& host);
/// API: 400 with Docker's texts for what a container with mapped ids cannot have.
Result<void> validate_for_remap(const UserRemap& remap, const docker::HostConfig& host);

}  // namespace proa::engine
