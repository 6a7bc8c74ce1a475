#pragma once
#include "engine/default_network.h"
#include "engine/parts.h"

namespace proa::engine {

struct ContainerFiles {
    std::string hosts, hostname, resolv_conf;  ///< paths
};

/// Writes /etc/hosts, /etc/hostname and /etc/resolv.conf for a start into the container's directory.
Result<ContainerFiles> write_container_files(const Parts& parts, const container::Record& record, const NetworkAttachment& network);


}  // namespace proa::engine
