#pragma once
#include "engine/parts.h"

namespace proa::engine {

struct ProcessTable {
    std::vector<std::string> titles;
    std::vector<std::vector<std::string>> processes;
};

/// The container's processes as the host's ps(1) shows them with `ps_arguments` ("" means -ef).
/// Errors: Conflict when it does not run; InvalidArgument when the output has no PID column.
Result<ProcessTable> top_container(Parts& parts, const container::ContainerPointer& container, const std::string& ps_arguments);

}  // namespace proa::engine
