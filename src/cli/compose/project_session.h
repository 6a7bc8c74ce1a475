#pragma once
#include <memory>

#include "cli/compose/progress_view.h"
#include "cli/commands.h"
#include "cli/compose_options.h"
#include "compose/actions.h"
#include "compose/load.h"

namespace proa::cli {

/// What one compose command works with: the project, the engine, and what shows its progress.
class ProjectSession {
public:
    explicit ProjectSession(Invocation& call);

    /// Loads the project with these services (all when empty) and what they depend on, and prints its warnings.
    /// Errors exit as docker compose does: 14 without a file, 15 for a wrong one; `no such service: x`.
    Result<compose::Project> load(const std::vector<std::string>& services = {});
    /// As load(); when there is no usable file but a name, by -p or COMPOSE_PROJECT_NAME, only that: `project` stays empty then.
    struct Target {
        std::string name;
        std::optional<compose::Project> project;
        const compose::Project* pointer() const { return project ? &*project : nullptr; }
    };
    Result<Target> target(const std::vector<std::string>& services = {});

    compose::EnginePool& engines() { return engines_; }
    ProgressView& progress() { return *progress_; }
    const compose::Report& report() { return report_; }
    /// --quiet: progress is not shown.
    void silence() { progress_ = std::make_unique<ProgressView>(ProgressView::Kind::Quiet); }
    bool dry_run() const { return call_.group_flags->is("dry-run"); }
    /// For carrying things out; --parallel, COMPOSE_PARALLEL_LIMIT and config.json's proxies are in it.
    /// Errors: Unsupported with --dry-run, which only up and create have: they print their plan.
    Result<compose::Work> work();
    Invocation& call() { return call_; }
    bool colours(int fd) const;  ///< by --ansi, NO_COLOR and whether `fd` is a terminal

private:
    Invocation& call_;
    std::string version_;
    compose::EnginePool engines_;
    std::unique_ptr<ProgressView> progress_;
    compose::Report report_;
};

/// A line of docker's log on standard error: time="..." level=warning msg="...".
void put_warning(std::string_view text);

/// Containers of the services that the arguments name (all when there are none). Errors: NotFound `no such service: x`.
struct ContainerChoice {
    compose::OneOffs one_offs = compose::OneOffs::Without;
    bool all = true;
};
Result<std::vector<compose::ProjectContainer>> choose_containers(ProjectSession& session, const ProjectSession::Target& target, const std::vector<std::string>& services,
                                                                 const ContainerChoice& choice = {});
/// The container of one service by --index (0: the first). Errors: `service "x" is not running`, `service "x" is not running container #n`.
Result<compose::ProjectContainer> choose_container(ProjectSession& session, const ProjectSession::Target& target, const std::string& service, int64_t index, bool all = false);

/// Runs another command of the program with these words, as if they stood on the command line.
Result<int> run_command_words(Invocation& call, const Command& command, const std::vector<std::string>& words);

}  // namespace proa::cli
