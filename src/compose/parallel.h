#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::compose {

/// Tasks by name, and for each the names that must be done before it. Names that are no tasks count as done.
struct TaskGraph {
    std::vector<std::string> tasks;
    std::map<std::string, std::set<std::string>> after;

    /// The same with every edge turned round: what is needed ends last.
    TaskGraph reversed() const;
};

/// Runs `work` for each task as soon as what it comes after is done, at most `limit` side by side (0: no bound). After a failure nothing new
/// begins; what runs is waited for. The first failure is the result. The graph must have no cycle.
Result<void> run_graph(const TaskGraph& graph, size_t limit, const std::function<Result<void>(const std::string& task)>& work);

/// `work(0)` to `work(count - 1)` side by side, as run_graph. All are run, whatever fails; the first failure by number is the result.
Result<void> run_parallel(size_t count, size_t limit, const std::function<Result<void>(size_t index)>& work);

}  // namespace proa::compose
