#pragma once
#include "engine/parts.h"
#include "network/resolv_conf.h"

namespace proa::engine {

/// `--link NAME:ALIAS` on the default bridge, which has no names: lines in /etc/hosts. Turns the request's form into Docker's,
/// "/NAME:/OWN/ALIAS". On other networks links belong to the endpoint. Errors: NotFound, InvalidArgument.
Result<void> settle_links(const Parts& parts, container::Record& record);

/// `docker rm --link /PARENT/ALIAS`: the parent knows its linked container by that name no longer; nothing else changes.
/// Errors: NotFound "No such container: PARENT/ALIAS"; Internal for a container's own name, as in Docker.
Result<void> remove_link(Parts& parts, std::string_view name);

/// The lines for a start. Errors: InvalidArgument when a linked container does not run.
Result<std::vector<network::HostRecord>> link_lines(const Parts& parts, const container::Record& record);

}  // namespace proa::engine
