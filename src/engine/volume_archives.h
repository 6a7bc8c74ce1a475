#pragma once
#include "codec/stream.h"
#include "engine/parts.h"
#include "schema/docker/volume.h"

namespace proa::engine {

// Our own: the content of volumes as tar archives.

/// Writes the content of a volume; `begin` comes once it is known that there is one. Nothing is frozen meanwhile.
Result<void> export_volume(Parts& parts, const std::string& name, const std::function<Result<void>()>& begin, codec::Sink& out);

/// A new local volume with the content of an archive in any compression that `load` takes; all of it or no volume.
/// Errors: Conflict when `name` exists, InvalidArgument for a damaged or hostile archive.
Result<docker::Volume> import_volume(Parts& parts, const std::string& name, codec::Source& tar);

}  // namespace proa::engine
