#pragma once
#include <functional>

#include "container/container.h"
#include "schema/docker/filters.h"

namespace proa::engine {

struct ListOptions {
    bool all = false, size = false;
    int64_t limit = 0;  ///< > 0: the newest N of all states
    docker::Filters filters;
};

/// Facts that the container table does not hold.
struct ListSources {
    std::function<std::optional<std::string>(const std::string& reference)> image_id;  ///< id of an image reference
    std::function<std::pair<int64_t, int64_t>(const container::Record&)> sizes;         ///< bytes written, bytes of the root
};

/// How an entry of the list is written: `form` names the way (an API version), so that entries of an equal form are written once.
struct ListWriter {
    std::string form;
    std::function<std::string(const docker::ContainerSummary&)> write;
};

/// `ps`, newest first: a JSON list. Errors: InvalidArgument (filters), NotFound (`before`/`since` name a missing container).
Result<std::string> list_containers(const container::Table& table, const ListOptions& options, const ListSources& sources, const ListWriter& writer);

/// An entry of the list, without sizes.
docker::ContainerSummary summarise_container(const container::Record& record);

/// "Up 5 minutes (Paused)", "Exited (0) 2 hours ago", "Created" ...
std::string status_text(const docker::ContainerState& state);
/// The command as `ps` shows it: words joined, those with spaces quoted.
std::string command_text(const std::string& path, const std::vector<std::string>& args);
/// Port map as list entries, sorted.
std::vector<docker::PortSummary> port_summaries(const docker::PortMap& ports);

}  // namespace proa::engine
