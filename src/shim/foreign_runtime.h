#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

namespace proa::shim {

/// Drives an OCI runtime with runc's command line (runc, crun) on a bundle that the engine has written. The caller must be a
/// child subreaper: the container's processes become its children. Blocks while the runtime works.
class ForeignRuntime {
public:
    struct Settings {
        std::string program;                 ///< absolute path
        std::vector<std::string> arguments;  ///< before the subcommand, such as --root DIR
        std::string container_id, bundle, state_directory;
        std::string rootfs_mount;  ///< where the plan's overlay is mounted; empty: the bundle's root needs no mount
    };
    explicit ForeignRuntime(Settings settings) : settings_(std::move(settings)) {}

    /// Moves the calling process into a mount namespace of its own and mounts the overlay there, so that nothing of it is left
    /// on the host when the process ends. Once, before create().
    Result<void> mount_root(const runtime::Root& root);
    /// Attaches the sources of mounts that are descriptors at `<bundle>/mount-<index of the mount>`, in that mount namespace.
    Result<void> mount_sources(const std::vector<runtime::Mount>& mounts, const std::vector<int>& descriptors);
    /// `create` and `start`. Errors: the last error of the runtime's log; number ENOENT or EACCES where it says that the program
    /// was not found or may not be executed. Nothing of the container is left after an error.
    Result<runtime::Init> launch(const runtime::Streams& streams, bool terminal);
    /// `exec --detach` of the OCI process in `process_file`.
    Result<runtime::Init> execute(const std::string& process_file, const runtime::Streams& streams, bool terminal);
    /// `delete --force` and the overlay's unmounting. A container that is gone already is no error.
    Result<void> remove();

private:
    Result<runtime::Init> start_process(std::vector<std::string> subcommand, std::vector<std::string> operands,
                                        const runtime::Streams& streams, bool terminal);
    Result<void> run(const std::vector<std::string>& subcommand, const runtime::Streams& streams);
    std::string file(const char* name) const { return settings_.state_directory + "/" + name; }

    Settings settings_;
    bool is_mounted_ = false;
};

/// The text of the last "msg" in a runtime's JSON log; `fallback` when there is none.
std::string last_log_message(std::string_view log, std::string_view fallback);

}  // namespace proa::shim
