#include "engine/top_container.h"

#include <set>

#include "cgroup/group.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/start_container.h"
#include "os/command.h"
#include "os/file.h"

namespace proa::engine {

namespace {

Result<std::string> find_ps() {
    for (auto path : {"/bin/ps", "/usr/bin/ps"})
        if (os::exists(path)) return std::string(path);
    return fail(ErrorKind::Unsupported, "top: the host has no ps program (package procps)");
}

/// A row's fields: as many as there are titles, the last one with its spaces.
std::vector<std::string> split_row(std::string_view line, size_t columns) {
    std::vector<std::string> fields;
    size_t at = 0;
    while (fields.size() + 1 < columns) {
        while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) at++;
        size_t end = at;
        while (end < line.size() && line[end] != ' ' && line[end] != '\t') end++;
        fields.emplace_back(line.substr(at, end - at));
        at = end;
    }
    fields.emplace_back(trim(line.substr(std::min(at, line.size()))));
    return fields;
}

Result<ProcessTable> parse_ps(const std::string& output, const std::set<std::string>& wanted) {
    ProcessTable table;
    auto lines = split(output, '\n');
    table.titles = split_fields(lines[0]);
    auto pid = std::find(table.titles.begin(), table.titles.end(), "PID");
    if (pid == table.titles.end()) return fail(ErrorKind::Internal, "Couldn't find PID field in ps output");
    auto column = static_cast<size_t>(pid - table.titles.begin());
    for (size_t i = 1; i < lines.size(); i++) {
        if (lines[i].empty()) continue;
        auto fields = split_row(lines[i], table.titles.size());
        if (fields.size() > column && wanted.contains(fields[column])) table.processes.push_back(std::move(fields));
    }
    return table;
}

}  // namespace

Result<ProcessTable> top_container(Parts& parts, const container::ContainerPointer& container, const std::string& ps_arguments) {
    auto record = container->record();
    if (!record.state.running) return fail(ErrorKind::Conflict, concat("container ", record.id, " is not running"));
    if (record.state.restarting) return fail(ErrorKind::Conflict, concat("container ", record.id, " is restarting, wait until the container is running"));
    auto group = TRY(cgroup::Group::at(cgroup_path(parts, record)));
    std::set<std::string> pids;
    for (auto pid : TRY(group.processes())) pids.insert(concat(pid));
    std::vector<std::string> command{TRY(find_ps())};
    auto arguments = split_fields(ps_arguments.empty() ? "-ef" : std::string_view(ps_arguments));
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto result = TRY(os::run_command(command));
    if (result.exit_code != 0) return fail(ErrorKind::Internal, concat("Error running ps: ", trim(result.error.empty() ? result.output : result.error)));
    auto table = TRY(parse_ps(result.output, pids));
    publish_container_event(parts.events, *container, "top");
    return table;
}

}  // namespace proa::engine
