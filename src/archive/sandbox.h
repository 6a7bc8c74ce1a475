#pragma once
#include "base/result.h"
#include "os/path_in_root.h"

namespace proa::archive {

/// Locks the calling process in (rule C6): its root becomes an empty file system with nothing but a small procfs of our own and, when
/// `root` is mounted in this namespace, that; only the capabilities that creating files needs stay; a seccomp filter allows file work
/// alone: no exec, no mount, no socket, no new process, no ptrace. `root` keeps working, by descriptor.
/// Needs a mount namespace of our own whose mounts are private.
enum class RootKind { OfAnotherNamespace, MountedHere };
/// `user_namespace` (descriptor, or -1): becomes its root on the way and keeps the capabilities there alone.
Result<void> enter_sandbox(const os::RootDirectory& root, RootKind kind, int user_namespace = -1);

}  // namespace proa::archive
