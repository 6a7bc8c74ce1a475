#pragma once
#include "schema/docker/container.h"

namespace proa::container {

/// What the engine remembers of one container, kept in records.db as JSON (docs/formats/records.md).
struct Record {
    std::string id;
    std::string name;  ///< without the leading slash
    Time created;
    std::string image_id;                ///< manifest or index digest; "" when the container has no image
    std::string manifest_digest;         ///< the image's manifest for the platform that was chosen
    std::string platform = "linux";
    std::string path;                    ///< first word of entrypoint + cmd
    std::vector<std::string> args;       ///< the others
    docker::ContainerConfig config;
    docker::HostConfig host_config;
    std::map<std::string, docker::EndpointSettings> networks;  ///< by the network's name
    std::map<std::string, std::string> wanted_macs;            ///< by the network's name: those that the user chose
    docker::ContainerState state;
    docker::PortMap ports;               ///< published ports while running
    std::vector<docker::MountPoint> mounts;
    std::vector<std::string> anonymous_volumes;  ///< those of `mounts` that nobody named: they go away with the container
    std::string sandbox_id, sandbox_key;
    int64_t restart_count = 0;
    bool manually_stopped = false;       ///< by stop or kill: `unless-stopped` and `always` honour it at boot
    bool removing = false;               ///< a removal has begun; boot finishes it
    std::string log_path;
    std::string cgroup_path;             ///< of the last start
    std::string apparmor_profile;        ///< of the last start; "" where the host has no AppArmor
};

/// What only a running container has: addresses and published ports.
void clear_endpoints(Record& record);

}  // namespace proa::container

PROA_JSON_DECLARE(proa::container::Record)
