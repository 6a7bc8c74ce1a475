#pragma once
#include "runtime/channel.h"
#include "runtime/identity.h"
#include "runtime/launch.h"
#include "runtime/program.h"

// Private to runtime/: the steps by which a forked process turns into the one that a plan describes. All act on the calling process,
// in the order of this list; `proc` is a procfs that no container could have touched.
namespace proa::runtime {

/// A new session, signals as a fresh program expects them, umask 0, not dumpable (C1) until the exec. `dumpable`: not yet, because a
/// starter without privileges has to write this process's id maps.
Result<void> begin_process(bool dumpable = false);
/// Makes the streams (or the terminal, when `terminal` >= 0) descriptors 0, 1 and 2.
Result<void> connect_streams(const Streams& streams, int terminal);
/// What needs CAP_SYS_RESOURCE and lacks it is set as far as possible, unless the plan wants exact limits. Children inherit the OOM score.
Result<void> set_oom_score(const Process& process, int proc);
/// Rlimits, scheduling, I/O priority, memory policy, personality.
Result<void> set_resources(const Process& process);
/// Hard limits that the plan wants higher, for a process that cannot raise them itself later.
Result<void> raise_limits(const Process& process);
/// The streams that are pipes belong to this user and group from now on, so that their user can open them again through /dev/stdout.
Result<void> give_streams_away(const Streams& streams, uint32_t uid, uint32_t gid);
/// Binds the calling process to these processors; empty: leaves it as it is.
Result<void> set_processors(const std::vector<uint32_t>& processors);
Result<void> join_session_keyring(const std::string& container_id);
/// The labels that the next exec takes on.
Result<void> set_exec_labels(const Process& process, int proc);
/// Enters the working directory and proves that it lies inside the root (C2).
Result<void> enter_working_directory(const std::string& cwd);
/// Bounding set, groups, ids and, for other users than root, the streams' owner. Capabilities stay until drop_privileges().
Result<void> take_identity(const Process& process, const Identity& identity, bool user_namespace);
/// no_new_privs, seccomp, the five capability sets (read back, C12), parent-death signal. `starter` is the channel: gone means the end.
/// `answer` is where a seccomp notify descriptor is said.
Result<void> drop_privileges(const Process& process, bool die_with_parent, int starter, int answer);
/// All descriptors from 3 + preserved on become close-on-exec (C2). The last act before the exec.
Result<void> close_descriptors_on_exec(int preserved);

/// HOME when the environment lacks it.
std::vector<std::string> missing_environment(const Process& process, const Identity& identity);

}  // namespace proa::runtime
