#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Keeps images within `storage-budget`, when there is one: what nothing refers to goes, least recently used first, until they fit.
/// These are cut downloads that nobody goes on with, untagged images without a container, and the build cache. What a name or a
/// container refers to stays; when that is too much by itself the log says so. Called where content came in or lost its last name.
void keep_storage_budget(Parts& parts);

}  // namespace proa::engine
