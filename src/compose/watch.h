#pragma once
#include <map>
#include <set>

#include "compose/project.h"
#include "dockerfile/ignore.h"

// What `develop.watch` makes of changes on this machine. Spec: compose-spec develop.md
namespace proa::compose {

/// A path of this machine and where it belongs in a container.
struct SyncedPath {
    std::string here, there;
    auto operator<=>(const SyncedPath&) const = default;
};

/// What a set of changes asks for, by service.
struct WatchWork {
    std::set<std::string> rebuild, restart;
    std::map<std::string, std::set<SyncedPath>> sync;
    std::map<std::string, std::vector<const ServiceHook*>> exec;  ///< into the project
};

/// The rules of a project's services. The project must outlive it.
class WatchRules {
public:
    /// `services` may be empty: all that have rules. Rules for what a bind mount shows the container anyway are left out with a warning.
    /// Errors: InvalidArgument `none of the selected services is configured for watch, consider setting an 'develop' section`; for a rule
    /// that rebuilds what has no build, for sync+exec without a command, for a pattern that is none.
    static Result<WatchRules> of(const Project& project, const std::vector<std::string>& services);

    const std::vector<std::string>& warnings() const { return warnings_; }
    /// Services that have a rule.
    std::set<std::string> services() const;
    /// What must be watched, each once.
    std::vector<std::string> paths() const;
    /// No rule wants anything in this directory or below it.
    bool skips(const std::string& directory) const;
    /// What follows from changes at these paths.
    WatchWork work_for(const std::set<std::string>& changed) const;
    /// What rules with initial_sync carry over before the first change, of all the paths that are there.
    WatchWork initial_work(const std::set<std::string>& there) const;

private:
    struct Rule {
        std::string service;
        const WatchTrigger* trigger = nullptr;
        dockerfile::IgnorePatterns ignore, include;  // from the rule's path
    };
    /// The .dockerignore file of a service's build.
    struct Context {
        std::string directory;
        dockerfile::IgnorePatterns ignore;
    };
    bool wants(const Rule& rule, const std::string& path) const;
    bool hides(const Rule& rule, const std::string& directory) const;
    void add(const Rule& rule, const std::string& path, WatchWork& work) const;

    std::vector<Rule> rules_;
    std::map<std::string, Context> contexts_;  // by service
    std::vector<std::string> warnings_;
};

}  // namespace proa::compose
