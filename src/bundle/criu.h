#pragma once
#include <functional>
#include <string>
#include <vector>

#include "bundle/flags.h"
#include "codec/json/value.h"
#include "os/command.h"

// Private to bundle/: the program criu(8), which writes the processes of a container into files and makes them again from there.
namespace proa::bundle {

/// Where it is: `wanted` (--criu) or one of the system's directories. Errors: Unsupported when it is not installed, or for who is not root.
Result<std::string> find_criu(const std::string& wanted);

/// A mount of the container whose content is the host's: at `destination` inside, from `source`. In criu's files it is `key`; those are runc's.
struct ExternalMount {
    std::string destination, source, key;
    bool masks = false;  ///< the null device over a file
};
/// Binds and masked files. Spec: config.md, mounts
std::vector<ExternalMount> external_mounts(const json::Value& config);

/// Path of a namespace that the container joins; empty: it has its own, or the host's.
std::string joined_namespace(const json::Value& config, std::string_view kind);

/// What both directions understand alike: flags of ours that criu has under the same name. Appended to `words`.
void pass_criu_flags(const ParsedFlags& flags, std::initializer_list<std::string_view> names, std::vector<std::string>& words);

struct CriuRun {
    std::vector<std::string> words;  ///< the program first
    std::vector<os::HandedDescriptor> descriptors;
    std::string log;                            ///< the file that --log-file names, for the reason of a failure
    bool no_new_privileges = false;             ///< what it makes has no way to more rights: criu forgets that of a process
    std::function<Result<void>(pid_t)> before;  ///< while the child waits to execute: puts it into a cgroup
};
/// Runs it to its end. Errors (Internal) have the last errors of its log and its name.
Result<void> run_criu(const CriuRun& run);

}  // namespace proa::bundle
