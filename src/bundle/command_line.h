#pragma once
#include <string>
#include <vector>

namespace proa::bundle {

/// proa-runtime's whole command line (without argv[0]); the process's exit status.
int run_command_line(const std::vector<std::string>& words);

/// Executes the running program again from a place where nobody can write it (C1), unless it already runs from one. Comes back
/// without effect when that is so, and with an error text when it cannot be had.
std::string protect_own_binary(char** argv);

}  // namespace proa::bundle
