#pragma once
#include <atomic>

#include "cli/compose/project_session.h"
#include "compose/watch.h"
#include "os/tree_watch.h"

namespace proa::cli {

struct WatchOptions {
    std::vector<std::string> services = {};     ///< empty: all that have rules
    std::map<std::string, int64_t> scale = {};  ///< of `up`: a rebuild keeps to it
    bool quiet_build = false;
    bool prune = true;  ///< images that a rebuild replaced are removed
};

/// Carries changes of files into the running containers of a project, by the rules of `develop.watch`: `compose watch` and `up --watch`.
/// What it does is told on standard output; what fails is told on standard error, and it goes on.
class Watcher {
public:
    /// Watches from now on. The session and the project must outlive it.
    /// Errors: those of compose::WatchRules::of and os::TreeWatch::create.
    static Result<std::unique_ptr<Watcher>> open(ProjectSession& session, const compose::Project& project, WatchOptions options);

    /// How containers are made and what hears of it; must be set before run().
    void report_to(compose::Work work) { work_.emplace(work); }
    /// Until `stop` is readable. Errors: the kernel's.
    Result<void> run(int stop);
    /// A change is being carried out.
    bool busy() const { return busy_; }

private:
    Watcher(ProjectSession& session, const compose::Project& project, WatchOptions options, compose::WatchRules rules)
        : session_(session), project_(project), options_(std::move(options)), rules_(std::move(rules)) {}
    Result<bool> collect(int stop, std::set<std::string>& changed);
    void carry_out(const compose::WatchWork& work);
    Result<void> rebuild(const std::set<std::string>& services);
    Result<void> synchronise(const std::string& service, const std::set<compose::SyncedPath>& paths);
    Result<void> restart(const std::set<std::string>& services);
    Result<void> execute(const std::string& service, const std::vector<const compose::ServiceHook*>& hooks);
    Result<void> remove_replaced_images();
    Result<std::vector<compose::ProjectContainer>> running(const std::string& service);

    ProjectSession& session_;
    const compose::Project& project_;
    WatchOptions options_;
    compose::WatchRules rules_;
    std::optional<os::TreeWatch> tree_;
    std::optional<compose::Work> work_;
    std::atomic<bool> busy_ = false;
};

}  // namespace proa::cli
