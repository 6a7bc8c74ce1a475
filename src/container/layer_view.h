#pragma once
#include <string>
#include <vector>

#include "os/fd.h"
#include "os/path_in_root.h"

namespace proa::container {

/// How layers are shown: with the ids of a user namespace (descriptor), all below a directory. Default: as they are on disk.
struct LayerIds {
    std::string directory = {};
    int user_namespace = -1;
};

/// The layers `lower` (top first, at least two) as one read-only tree, from the directory or file `below` downward. The mount belongs to the
/// descriptor (O_PATH) alone and vanishes with it: nothing to unmount, whatever ends this process. `anchor` is any directory outside the layers.
/// `below` is resolved inside the tree; a link that leads out of it is refused.
Result<os::Fd> open_layers(const std::vector<std::string>& lower, const std::string& anchor, const os::PathInRoot& below = os::PathInRoot("/"),
                           const LayerIds& ids = {});

}  // namespace proa::container
