#pragma once
#include "engine/parts.h"
#include "network/resolv_conf.h"

namespace proa::engine {

/// `--link NAME:ALIAS` on the default bridge, which has no names: lines in /etc/hosts. Turns the request's form into Docker's,
/// "/NAME:/OWN/ALIAS". On other networks links belong to the endpoint. Errors: NotFound, InvalidArgument.
Result<void> settle_links(const Parts& parts, container::Record& record);

/// The lines for a start. Errors: InvalidArgument when a linked container does not run.
Result<std::vector<network::HostRecord>> link_lines(const Parts& parts, const container::Record& record);

}  // namespace proa::engine
