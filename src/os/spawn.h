#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "os/fd.h"

namespace proa::os {

struct SpawnedProgram {
    pid_t pid = -1;  ///< our child: reap it when it ends
    Fd pidfd;
};
/// Executes an opened program without fork(2): new session, default signals, no descriptor but /dev/null as 0 to 2 and `control` as 3.
/// Returns when the program has been executed. Errors: those of clone and execve.
Result<SpawnedProgram> spawn_program(int binary, const std::vector<std::string>& arguments, const std::vector<std::string>& environment, int control);

}  // namespace proa::os
