#pragma once
#include "engine/parts.h"
#include "os/pty.h"

namespace proa::engine {

/// The `h` and `w` of a resize. Errors: InvalidArgument.
Result<os::WindowSize> parse_window_size(const std::string& height, const std::string& width);
/// Errors: Conflict when the container does not run.
Result<void> resize_container(Parts& parts, const container::ContainerPointer& container, os::WindowSize size);

}  // namespace proa::engine
