#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// `inspect`: the whole truth about one container; `size` adds SizeRw and SizeRootFs.
Result<docker::ContainerInspect> inspect_container(Parts& parts, const container::Container& container, bool size);

}  // namespace proa::engine
