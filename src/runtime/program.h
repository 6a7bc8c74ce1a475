#pragma once
#include <string>

#include "base/result.h"
#include "runtime/plan.h"

namespace proa::runtime {

/// The path to execute for args[0], looked up along PATH of `process.env` as Go's exec.LookPath does, with the credentials that access()
/// of the calling thread goes by. Errors have Docker's texts: `exec: "x": executable file not found in $PATH` (ENOENT),
/// `exec: "/x": stat /x: no such file or directory` (ENOENT), `exec: "/x": permission denied` (EACCES), `exec: "/x": is a directory` (EACCES).
Result<std::string> find_program(const Process& process);

/// execve(2) with the environment of `process`; comes back only with the error. Allocates nothing before the call.
class Program {
public:
    Program(const Process& process, std::string path, std::vector<std::string> extra_env);
    Error execute();

private:
    std::string path_;
    std::vector<std::string> extra_env_;
    std::vector<char*> arguments_, environment_;
};

/// Why the kernel refused to execute `path`: a foreign architecture, a missing ELF loader or interpreter, a "#!" line that ends in CR.
std::string explain_exec_failure(const std::string& path, int number);

}  // namespace proa::runtime
