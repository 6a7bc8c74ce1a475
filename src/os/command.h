#pragma once
#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::os {

/// A descriptor of ours, and the number that the program knows it by.
struct HandedDescriptor {
    int ours = -1, theirs = -1;
};
/// Whether a program belongs to our session, and so gets the signals of our terminal.
enum class CommandSession { Ours, Own };
/// Executes `program` without fork(2) (posix_spawn with shared memory until the exec): default signals, and of what is open only what is not
/// close-on-exec and `descriptors`. No two of `ours` and `theirs` may be equal but in one pair. The caller reaps the child.
/// `environment` ends with a nullptr, as environ does.
Result<pid_t> spawn_command(const std::string& program, const std::vector<std::string>& arguments, char* const* environment,
                            std::span<const HandedDescriptor> descriptors, CommandSession session = CommandSession::Ours);

struct CommandOutput {
    int exit_code = 0;  ///< 128 + n when signal n ended it
    std::string output, error;
};

/// Runs a host program and waits for it, without a shell.
/// `arguments[0]` is an absolute path. Output beyond `limit` bytes is an error. Blocks.
Result<CommandOutput> run_command(const std::vector<std::string>& arguments, size_t limit = 16 << 20);

}  // namespace proa::os
