#pragma once
#include <functional>

#include "compose/containers.h"
#include "compose/project.h"
#include "schema/docker/container.h"

namespace proa::compose {

/// What one container of a service has of its own.
struct ContainerTraits {
    std::string name;            ///< also its alias on its networks
    std::string first_name;      ///< that it is created with, when another container still has `name`
    int64_t number = 1;
    bool one_off = false;
    std::string slug;             ///< of a one-off container
    bool service_aliases = true;  ///< the service's name and aliases lead to it, not only its own name
    bool hidden = false;          ///< no names on its networks and no published ports: it will take over another one's
    bool attach_input = false;
    bool auto_remove = false;
    std::string image_id;       ///< of the service's image now
    std::string replaces;       ///< name, without the project's, of the container whose place it takes
    json::Value inherited;      ///< `Mounts` of that container: its anonymous volumes are taken over
    json::Value image_volumes;  ///< `Config.Volumes` of the image
};

/// Containers that a request names: those of `volumes_from`, `links`, `network_mode: service:x`.
using FindContainers = std::function<std::vector<const ProjectContainer*>(const std::string& service)>;

/// <project>-<service>-<number>, or container_name.
std::string container_name(const Project& project, const Service& service, int64_t number);

/// The body of POST /containers/create, as docker compose fills it. `proxies` are config.json's variables.
/// Errors: NotFound for a service that has no container to share with or take volumes from.
Result<docker::CreateRequest> create_request(const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find,
                                             const Mapping& proxies);

/// The engine's names of the service's networks, the one that is connected first in front.
std::vector<std::pair<std::string, docker::EndpointSettings>> endpoints(const Project& project, const Service& service, const ContainerTraits& traits,
                                                                        const FindContainers& find);

/// A secret or config that has no file: it is written into the container before its start.
struct CopiedFile {
    std::string path;  ///< absolute, in the container
    std::string content;
    int64_t uid = 0, gid = 0, mode = 0444;
};
/// Errors: InvalidArgument when a variable is not set, or the container's file system is read-only.
Result<std::vector<CopiedFile>> copied_files(const Project& project, const Service& service);
/// The archive of them for PUT /containers/{id}/archive?path=/.
Result<std::string> archive_of(const std::vector<CopiedFile>& files);

/// "image:ab12cd34,ports:..." : a short hash of every key that shapes the service's containers.
std::string field_hashes(const Service& service);
/// Keys whose hashes differ, are missing or are new.
std::vector<std::string> changed_fields(std::string_view before, std::string_view now);

}  // namespace proa::compose
