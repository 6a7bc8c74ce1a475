#pragma once
#include <optional>
#include <string>
#include <vector>

#include "bundle/flags.h"
#include "bundle/state.h"
#include "runtime/launch.h"

namespace proa::bundle {

/// What the caller wants of a new process, and gives it.
struct HandOver {
    std::string console_socket, pidfd_socket, pid_file;
    int preserve_fds = 0;
};

}  // namespace proa::bundle

// proa-runtime's use cases. Each takes what it needs and says what went wrong in runc's words.
namespace proa::bundle {

struct CreateOptions {
    std::string root, id, bundle = ".";
    HandOver hand_over;
    bool no_pivot = false, no_new_keyring = false, detach = true, keep = false, no_subreaper = false;
    bool systemd_cgroup = false;
    bool rootless = false;  ///< permission to make cgroups may be missing
};

/// `create`: everything but the program's execution.
Result<void> create_container(const CreateOptions& options);
/// `run`: create and start; unless detached, waits, deletes and returns the exit status.
Result<int> run_container(const CreateOptions& options);
Result<void> start_container(const std::string& root, const std::string& id);
/// `signal` as a name or number; `all`: every process of the cgroup.
Result<void> kill_container(const std::string& root, const std::string& id, const std::string& signal, bool all);
Result<void> delete_container(const std::string& root, const std::string& id, bool force);
Result<void> pause_container(const std::string& root, const std::string& id);
Result<void> resume_container(const std::string& root, const std::string& id);

/// `update`: limits from the flags or from the file that --resources names. Device rules stay as they are.
Result<void> update_container(const std::string& root, const std::string& id, const ParsedFlags& flags);

struct ExecOptions {
    std::string root, id, cwd, process_file, user, process_label, apparmor;
    HandOver hand_over;
    std::vector<std::string> args, env, capabilities;
    std::vector<std::string> cgroups;  ///< "[controller,...:]path", below the container's group
    std::vector<uint32_t> additional_gids;
    bool tty = false, detach = false, no_new_privs = false, ignore_paused = false;
};
/// `exec`: the exit status, 0 when detached.
Result<int> execute_in_container(const ExecOptions& options);

/// Connects the caller's terminal with a pty's master until the process ends; returns its exit status.
Result<int> attend_process(runtime::Init& init);

}  // namespace proa::bundle
