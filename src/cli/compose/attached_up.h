#pragma once
#include "cli/compose/log_printer.h"
#include "cli/compose/watcher.h"

namespace proa::cli {

struct AttachedOptions {
    std::vector<std::string> services;  ///< whose output is shown
    bool abort_on_exit = false, abort_on_failure = false;
    std::string exit_code_from;         ///< service; implies abort_on_exit
    LogStyle style;
    Watcher* watcher = nullptr;         ///< --watch: runs beside until the user ends it, whether containers end or not
};
/// Attaches to the containers, has them started by `start`, shows what they say until all have ended, one has and the options say that this
/// ends all, or the user presses Ctrl-C: then the project is stopped, and killed at the second Ctrl-C. The exit code.
Result<int> run_attached(ProjectSession& session, compose::Work& work, const compose::Project& project, const std::vector<compose::ProjectContainer>& containers,
                         const AttachedOptions& options, const std::function<Result<void>()>& start);

}  // namespace proa::cli
