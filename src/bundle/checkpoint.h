#pragma once
#include "bundle/lifecycle.h"

namespace proa::bundle {

struct CheckpointOptions {
    std::string root, id, criu;  ///< criu: the program, "" for the system's
    ParsedFlags flags;           ///< runc's; the files go below --image-path, default "checkpoint"
};
/// `checkpoint`: writes the container's processes to files, and ends and deletes it unless --leave-running or --pre-dump.
/// Errors: Unsupported (no criu, a terminal), Conflict (it does not run), Internal (criu's words).
Result<void> checkpoint_container(const CheckpointOptions& options);

struct RestoreOptions {
    CreateOptions create;
    std::string criu;
    ParsedFlags flags;
};
/// `restore`: a container as it was at its checkpoint; unless detached, waits, deletes and returns the exit status.
Result<int> restore_container(const RestoreOptions& options);

}  // namespace proa::bundle
