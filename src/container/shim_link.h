#pragma once
#include <span>

#include "os/fd.h"
#include "runtime/plan.h"
#include "shim/protocol.h"

namespace proa::container {

// Requests to a running container's shim, each on a connection of its own. Errors: NotFound when the shim is gone.

Result<void> signal_init(const std::string& state_directory, int signal);
Result<void> signal_exec(const std::string& state_directory, const std::string& exec_id, int signal);
Result<void> resize(const std::string& state_directory, const std::string& exec_id, uint16_t height, uint16_t width);
/// Gives the client's stream to the shim.
Result<void> attach(const std::string& state_directory, const shim::Attach& attach, const os::Fd& stream);
/// Starts an exec and returns its pid; `stream` may be empty when exec.attach is unset.
Result<void> change_ports(const std::string& state_directory, const shim::ChangePorts& change, std::span<const int> fds);
Result<int64_t> start_exec(const std::string& state_directory, const shim::Exec& exec, const runtime::ExecPlan& plan, const os::Fd& stream);

}  // namespace proa::container
