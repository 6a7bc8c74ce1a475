#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::os {

struct CommandOutput {
    int exit_code = 0;  ///< 128 + n when signal n ended it
    std::string output, error;
};

/// Runs a host program and waits for it, without fork(2) (posix_spawn with shared memory until the exec) and without a shell.
/// `arguments[0]` is an absolute path. Output beyond `limit` bytes is an error. Blocks.
Result<CommandOutput> run_command(const std::vector<std::string>& arguments, size_t limit = 16 << 20);

}  // namespace proa::os
