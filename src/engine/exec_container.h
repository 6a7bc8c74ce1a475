#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// Defines an exec. Errors: Conflict (not running, paused), InvalidArgument "No exec command specified".
Result<std::string> create_exec(Parts& parts, const container::ContainerPointer& container, docker::ExecConfig config);

/// The container of an exec that may start. Errors: Conflict (container stopped or paused, exec runs or has run).
Result<container::ContainerPointer> check_exec_startable(Parts& parts, const container::Exec& exec);

/// Starts it. With a `stream` the client is attached to it. The exit code of a command that cannot be executed (127, 126)
/// stands in the exec afterwards.
Result<void> start_exec(Parts& parts, const container::ContainerPointer& container, const container::ExecPointer& exec, const docker::ExecStart& start,
                        os::Fd stream, std::string early_bytes);

/// Errors: NotFound "process does not exist", Conflict.
Result<void> resize_exec(Parts& parts, const container::ExecPointer& exec, uint16_t height, uint16_t width);

}  // namespace proa::engine
