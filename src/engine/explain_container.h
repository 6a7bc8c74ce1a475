#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Why a container is as it is: its state, what ended it or keeps it from starting, what speaks for that, and what would help. Ours:
/// GET /containers/{id}/why. Reads the last lines of the log and, when its program could not be executed, the program's first bytes.
Result<json::Object> explain_container(Parts& parts, const container::ContainerPointer& container);

}  // namespace proa::engine
