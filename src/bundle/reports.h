#pragma once
#include <string>
#include <vector>

#include "base/result.h"

// proa-runtime's commands that only tell something: the texts for stdout.
namespace proa::bundle {

Result<std::string> state_report(const std::string& root, const std::string& id);
Result<std::string> list_report(const std::string& root, const std::string& format, bool quiet);
std::string features_report();
std::string specification_template(bool rootless);
Result<std::string> stats_report(const std::string& root, const std::string& id);  ///< `events --stats`
/// Prints the numbers every `interval` nanoseconds, and each strike of the out-of-memory killer, until the container ends.
Result<void> watch_events(const std::string& root, const std::string& id, int64_t interval);
/// The processes of the container's cgroup: a list of pids (json), or their lines of `ps` (table), which gets `options` ("-ef").
Result<std::string> processes_report(const std::string& root, const std::string& id, const std::string& format, const std::vector<std::string>& options);

}  // namespace proa::bundle
