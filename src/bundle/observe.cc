#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "bundle/reports.h"
#include "bundle/state.h"
#include "os/command.h"
#include "os/file.h"

namespace proa::bundle {

namespace {
json::Value entries_json(const std::vector<cgroup::BlkioEntry>& entries) {
    json::Array list;
    for (auto& entry : entries) list.push_back(json::Object{{"major", entry.major}, {"minor", entry.minor}, {"op", entry.operation}, {"value", entry.value}});
    return list;
}
}  // namespace

Result<std::string> stats_report(const std::string& root, const std::string& id) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    if (directory.status(state) == Status::Stopped) return fail(ErrorKind::Conflict, concat("container with id ", id, " is not running"));
    cgroup::Stats stats = TRY(TRY(group_of(state)).stats());
    json::Array per_cpu;
    for (uint64_t value : stats.cpu_per_cpu) per_cpu.push_back(value);
    json::Object raw;
    for (auto& [name, value] : stats.memory_stat) raw[name] = value;
    auto cache = raw.find(stats.v2 ? "file" : "cache");
    json::Object usage{{"total", stats.cpu_total}, {"kernel", stats.cpu_kernel}, {"user", stats.cpu_user}};
    if (!per_cpu.empty()) usage["percpu"] = std::move(per_cpu);
    json::Object data;
    data["cpu"] = json::Object{
        {"usage", std::move(usage)},
        {"throttling",
         json::Object{{"periods", stats.throttling_periods}, {"throttledPeriods", stats.throttled_periods}, {"throttledTime", stats.throttled_time}}}};
    data["memory"] = json::Object{
        {"cache", cache ? *cache : json::Value(0)},
        {"usage",
         json::Object{{"limit", stats.memory_limit}, {"usage", stats.memory_usage}, {"max", stats.memory_max_usage}, {"failcnt", stats.memory_failcnt}}},
        {"swap", json::Object{{"limit", stats.swap_limit}, {"usage", stats.swap_usage}}},
        {"raw", std::move(raw)}};
    data["pids"] = json::Object{{"current", stats.pids_current}, {"limit", stats.pids_limit}};
    data["blkio"] = json::Object{{"ioServiceBytesRecursive", entries_json(stats.io_service_bytes)}, {"ioServicedRecursive", entries_json(stats.io_serviced)}};
    json::Object huge;
    for (auto& page : stats.hugepages) huge[page.page_size] = json::Object{{"usage", page.usage}, {"max", page.max_usage}, {"failcnt", page.failcnt}};
    data["hugetlb"] = std::move(huge);
    data["intel_rdt"] = json::Object();
    data["network_interfaces"] = nullptr;
    json::Object event{{"type", "stats"}, {"id", id}, {"data", std::move(data)}};
    return json::print(std::move(event)) + "\n";
}

Result<void> watch_events(const std::string& root, const std::string& id, int64_t interval) {
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    auto init = directory.open_init(state);
    if (!init) return fail(ErrorKind::Conflict, concat("container with id ", id, " is not running"));
    cgroup::Group group = TRY(group_of(state));
    auto kills = cgroup::OomWatch::start(group);
    int64_t next = monotonic_nanoseconds() + interval;
    for (;;) {
        pollfd entries[2] = {{init->get(), POLLIN, 0}, {kills ? kills->fd() : -1, POLLIN, 0}};
        int64_t left = std::clamp<int64_t>((next - monotonic_nanoseconds() + 999'999) / 1'000'000, 0, 3'600'000);
        if (::poll(entries, 2, static_cast<int>(left)) < 0 && errno != EINTR) return fail_errno("poll");
        if (entries[1].revents)
            for (uint64_t count = kills->take(); count > 0; count--) TRY(os::write_all(1, json::print(json::Object{{"type", "oom"}, {"id", id}}) + "\n"));
        if (entries[0].revents) return {};
        if (monotonic_nanoseconds() < next) continue;
        next += interval;
        auto report = stats_report(root, id);
        if (!report) return directory.open_init(state) ? Result<void>(fail(std::move(report).error())) : Result<void>();
        TRY(os::write_all(1, *report));
    }
}

namespace {
/// The lines of ps whose pid is among `pids`, under its head line.
Result<std::string> chosen_lines(const std::string& text, const std::vector<pid_t>& pids) {
    auto lines = split_nonempty(text, '\n');
    if (lines.empty()) return fail(ErrorKind::Internal, "ps printed nothing");
    auto head = split_fields(lines[0]);
    auto column = std::find(head.begin(), head.end(), "PID");
    if (column == head.end()) return fail(ErrorKind::InvalidArgument, "couldn't find PID field in ps output");
    size_t index = static_cast<size_t>(column - head.begin());
    std::string out = lines[0] + "\n";
    for (size_t i = 1; i < lines.size(); i++) {
        auto fields = split_fields(lines[i]);
        auto pid = fields.size() > index ? parse_int(fields[index]) : std::nullopt;
        if (pid && std::find(pids.begin(), pids.end(), static_cast<pid_t>(*pid)) != pids.end()) out += lines[i] + "\n";
    }
    return out;
}
}  // namespace

Result<std::string> processes_report(const std::string& root, const std::string& id, const std::string& format, const std::vector<std::string>& options) {
    if (format != "table" && format != "json") return fail(ErrorKind::InvalidArgument, "invalid format option");
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    // A stopped container's group may be gone: it has no processes.
    std::vector<pid_t> pids;
    cgroup::Group group = TRY(group_of(state));
    if (group.exists()) pids = TRY(group.processes());
    if (format == "json") {
        json::Array list;
        for (pid_t pid : pids) list.push_back(pid);
        return json::print(std::move(list));
    }
    std::vector<std::string> command = {"/usr/bin/ps"};
    if (!os::exists(command[0])) command[0] = "/bin/ps";
    command.insert(command.end(), options.begin(), options.end());
    if (options.empty()) command.push_back("-ef");
    auto done = TRY(os::run_command(command));
    if (done.exit_code != 0) return fail(ErrorKind::InvalidArgument, concat("ps: exit status ", done.exit_code, ": ", trim(done.error)));
    return chosen_lines(done.output, pids);
}

}  // namespace proa::bundle
