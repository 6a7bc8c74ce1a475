#pragma once
#include <functional>

#include "codec/stream.h"
#include "engine/parts.h"

namespace proa::engine {

// Our own: the content of cache mounts (`RUN --mount=type=cache`) as tar archives, to take them to another machine.

/// Writes the content of cache mount `id`; `begin` comes once it is known that there is one. Builds that use it go on.
/// Errors: NotFound.
Result<void> export_build_mount(Parts& parts, const std::string& id, const std::function<Result<void>()>& begin, codec::Sink& out);

/// Gives cache mount `id` the content of an archive in any compression that `load` takes, in place of what it has; all of it or nothing. Waits
/// for builds that use the mount as long as `go_on` says so.
/// Errors: InvalidArgument for a damaged or hostile archive, Cancelled.
Result<void> import_build_mount(Parts& parts, const std::string& id, codec::Source& tar, const std::function<bool()>& go_on);

}  // namespace proa::engine
