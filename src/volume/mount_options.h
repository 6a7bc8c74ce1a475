#pragma once
#include <cstdint>

#include "schema/docker/container.h"

namespace proa::volume {

/// The `type`, `device` and `o` of a volume of the local driver.
struct MountOptions {
    std::string type, device;
    std::string data;            ///< what the file system itself understands
    unsigned long flags = 0;     ///< MS_*
    unsigned long cleared = 0;   ///< MS_* that the options take away
    unsigned long propagation = 0;
};

/// Docker's rules for the options of `volume create -o`: nullopt without options, so that the volume is a plain directory.
/// Errors: InvalidArgument in Docker's words.
Result<std::optional<MountOptions>> parse_mount_options(const docker::OptionalStringMap& options);

/// Mounts on the directory that `target` (O_PATH) refers to, in one step. `subject` names it in errors; passwords do not show in them.
/// The host name of an `addr=` is resolved first. man: mount(2), nfs(5)
Result<void> mount_volume(const MountOptions& options, int target, std::string_view subject);

}  // namespace proa::volume
