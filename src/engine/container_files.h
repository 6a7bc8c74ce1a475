#pragma once
#include "engine/network_attachment.h"
#include "engine/parts.h"

namespace proa::engine {

struct ContainerFiles {
    std::string hosts, hostname, resolv_conf;  ///< paths
};

/// Writes /etc/hosts, /etc/hostname and /etc/resolv.conf for a start into the container's directory.
Result<ContainerFiles> write_container_files(const Parts& parts, const container::Record& record, const NetworkAttachment& network);

/// The same for a running container whose networks have changed: what it has mounted is written over in place, unless it changed
/// /etc/resolv.conf itself.
Result<void> update_container_files(const Parts& parts, const container::Record& record);

/// Upstream servers and options for the resolver.
void add_dns_settings(const Parts& parts, const container::Record& record, resolver::Container& view);


}  // namespace proa::engine
