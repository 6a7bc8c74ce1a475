#pragma once
#include <sys/types.h>

#include "os/fd.h"

namespace proa::os {

/// A detached copy of the mount at `path` in the mount namespace of a process, which must be a file system of the type `magic` (statfs(2))
/// and not a symbolic link. A thread of its own goes there and ends. Needs CAP_SYS_ADMIN and CAP_SYS_CHROOT. man: setns(2), open_tree(2)
/// Errors: NotFound (no such process or path), InvalidArgument (another file system).
Result<Fd> clone_tree_of_process(pid_t pid, const std::string& path, int64_t magic);

}  // namespace proa::os
