#pragma once
#include "container/record.h"
#include "engine/network_attachment.h"
#include "engine/parts.h"
#include "runtime/plan.h"

// Containers that a program of the `runtimes` directive (runc, crun) runs in place of our own code: `docker run --runtime NAME`.
namespace proa::engine {

/// What the shim needs to drive the program.
struct ForeignRuntime {
    std::string program;                 ///< absolute path
    std::vector<std::string> arguments;  ///< before its subcommand
    std::string bundle;                  ///< directory with config.json
    std::string root;                    ///< where the shim mounts the root file system
};

/// For create. As dockerd: a program with arguments of its own must be there, one without is looked for by the start.
/// Errors: InvalidArgument as find_runtime(), or "error while looking up the specified runtime path: ...".
Result<void> check_runtime(const Settings& settings, std::string_view name);

/// Writes the bundle of a start; nullopt when our own runtime runs the container. Errors: in dockerd's words and ready for the
/// client; number ENOENT or EACCES when the program is not there.
Result<std::optional<ForeignRuntime>> prepare_foreign_runtime(const Parts& parts, const container::Record& record, const runtime::Plan& plan,
                                                              const NetworkAttachment& network);

/// A start's refusal by the other runtime in dockerd's words, and the exit code that it means: 127, 126 or 128.
Error explain_foreign_failure(Error error);
int64_t exit_code_of_foreign(const Error& error);

/// Whether another runtime runs this running container, whatever the settings say by now.
bool is_foreign(const Parts& parts, const container::Record& record);

/// Writes the process file of an exec and returns its path; the caller removes it.
Result<std::string> write_foreign_process(const Parts& parts, const container::Record& record, const std::string& exec_id, const runtime::ExecPlan& plan);

}  // namespace proa::engine
