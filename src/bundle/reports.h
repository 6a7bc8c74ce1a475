#pragma once
#include <string>

#include "base/result.h"

// proa-runtime's commands that only tell something: the texts for stdout.
namespace proa::bundle {

Result<std::string> state_report(const std::string& root, const std::string& id);
Result<std::string> list_report(const std::string& root, const std::string& format, bool quiet);
std::string features_report();
std::string specification_template();
Result<std::string> stats_report(const std::string& root, const std::string& id);  ///< `events --stats`
/// `ps -f json`: the pids of the container's cgroup.
Result<std::string> processes_report(const std::string& root, const std::string& id);

}  // namespace proa::bundle
