#include "base/text.h"
#include "cli/commands.h"
#include "cli/container_options.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"blkio-weight", 0, FlagType::Uint16, "Block IO weight between 10 and 1000 (0: disabled)", "(default 0)"},
    {"cpu-period", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-rt-period", 0, FlagType::Int64, "Limit the CPU real-time period in microseconds"},
    {"cpu-rt-runtime", 0, FlagType::Int64, "Limit the CPU real-time runtime in microseconds"},
    {"cpu-shares", 'c', FlagType::Int64, "CPU shares (relative weight)"},
    {"cpus", 0, FlagType::Decimal, "Number of CPUs"},
    {"cpuset-cpus", 0, FlagType::String, "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::String, "Memory nodes in which to allow execution (0-3, 0,1)"},
    {"kernel-memory", 0, FlagType::Bytes, "", nullptr, "", kHidden},
    {"memory", 'm', FlagType::Bytes, "Memory limit"},
    {"memory-reservation", 0, FlagType::Bytes, "Memory soft limit"},
    {"memory-swap", 0, FlagType::SignedBytes, "Swap limit: memory plus swap, -1 for unlimited swap"},
    {"pids-limit", 0, FlagType::Int64, "Limit the number of processes (-1 for unlimited)"},
    {"publish-add", 0, FlagType::List, "Publish a further port to the host; the container may run (not in docker)"},
    {"publish-rm", 0, FlagType::List, "Publish a port of the container no more: 80 or 53/udp (not in docker)"},
    {"restart", 0, FlagType::String, "Restart policy to apply when a container exits"},
    {"restart-delay", 0, FlagType::String, "First and longest wait before a restart, as in 1s:5m (not in docker)"},
};

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    bool any = false;
    for (auto& flag : kFlags) any |= flags.changed(flag.name);
    if (!any) return fail(ErrorKind::InvalidArgument, "you must provide one or more flags when using this command");
    docker::RestartPolicy policy;
    if (!flags.text("restart").empty()) policy = TRY(parse_restart_policy(flags.text("restart")));
    TRY(parse_restart_delay(flags.text("restart-delay"), policy));
    json::Object body;
    static constexpr std::pair<const char*, const char*> kNumbers[] = {
        {"CpuShares", "cpu-shares"}, {"Memory", "memory"}, {"NanoCpus", "cpus"}, {"BlkioWeight", "blkio-weight"}, {"CpuPeriod", "cpu-period"},
        {"CpuQuota", "cpu-quota"}, {"CpuRealtimePeriod", "cpu-rt-period"}, {"CpuRealtimeRuntime", "cpu-rt-runtime"},
        {"MemoryReservation", "memory-reservation"}, {"MemorySwap", "memory-swap"}};
    for (auto& [key, flag] : kNumbers) body.set(key, flags.integer(flag));
    body.set("CpusetCpus", flags.text("cpuset-cpus"));
    body.set("CpusetMems", flags.text("cpuset-mems"));
    if (flags.changed("pids-limit")) body.set("PidsLimit", flags.integer("pids-limit"));
    body.set("RestartPolicy", TRY(json::parse(json::encode(policy))));
    docker::PortSet exposed;
    docker::PortMap added;
    for (auto& spec : flags.list("publish-add")) TRY(add_published_port(spec, exposed, added));
    if (!added.empty()) body.set("PublishAdd", TRY(json::parse(json::encode(added))));
    if (!flags.list("publish-rm").empty()) body.set("PublishRemove", json::Value::strings(flags.list("publish-rm")));
    client::Client& engine = *TRY(ready_engine(call));
    std::vector<std::string> warnings;
    auto done = for_each_argument(call.arguments, [&](const std::string& id) -> Result<std::string> {
        json::Value answer = TRY(engine.json({.method = "POST", .path = client::container_path(id, "update"), .body = json::Value(body)}));
        for (auto& warning : answer["Warnings"].as_array()) warnings.push_back(warning.as_string());
        return id;
    });
    if (!warnings.empty()) put_line(join(warnings, "\n"));
    return done;
}
}  // namespace

const Command kUpdate = {"[OPTIONS] CONTAINER [CONTAINER...]", "Update configuration of one or more containers", kFlags, at_least(1), run};

}  // namespace proa::cli
