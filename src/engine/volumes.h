#pragma once
#include "engine/parts.h"
#include "schema/docker/filters.h"
#include "volume/store.h"

namespace proa::engine {

// The use cases of volumes: what the store does, with events and Docker's filters.

/// Errors: as volume::Store::create().
Result<docker::Volume> create_volume(Parts& parts, const volume::CreateOptions& options);
/// Filters: dangling, driver, label, label!, name. Errors: InvalidArgument.
Result<std::vector<docker::Volume>> list_volumes(Parts& parts, const docker::Filters& filters, std::vector<std::string>* warnings);
Result<void> remove_volume(Parts& parts, const std::string& name, bool force);

struct PrunedVolumes {
    std::vector<std::string> deleted;
    int64_t reclaimed = 0;
};
/// Unused local volumes without options; only anonymous ones unless the filter `all` says otherwise or `all_by_default`.
/// Errors: InvalidArgument (filters).
Result<PrunedVolumes> prune_volumes(Parts& parts, const docker::Filters& filters, bool all_by_default);

/// Local volumes with their sizes and users, for `system df`.
std::vector<docker::Volume> volume_usage(Parts& parts);

// Our own; a copy is of local kind whatever the source is.
/// `as_snapshot` marks the new volume with the label proa.volume.snapshot-of and leaves out the source's labels.
Result<docker::Volume> copy_volume(Parts& parts, const std::string& from, const std::string& to, bool as_snapshot);
Result<docker::Volume> rename_volume(Parts& parts, const std::string& from, const std::string& to);

}  // namespace proa::engine
