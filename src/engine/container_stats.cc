#include "engine/container_stats.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include "cgroup/group.h"
#include "engine/container_cgroup.h"
#include "engine/start_container.h"
#include "network/statistics.h"
#include "os/file.h"

namespace proa::engine {

namespace {

/// The first seven fields of /proc/stat's "cpu" line, in nanoseconds, as Docker adds them up.
Result<uint64_t> system_cpu_nanoseconds() {
    std::string text = TRY(os::read_file("/proc/stat", 1 << 20));
    auto fields = split_fields(std::string_view(text).substr(0, text.find('\n')));
    uint64_t ticks = 0;
    for (size_t i = 1; i < fields.size() && i <= 7; i++) ticks += parse_uint(fields[i]).value_or(0);
    return ticks * 1000000000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
}

json::Value networks_object(int64_t pid) {
    auto counters = network::read_interface_statistics(static_cast<pid_t>(pid));
    if (!counters || counters->empty()) return json::Value();
    json::Object networks;
    for (auto& [name, one] : *counters) {
        json::Object entry;
        entry.set("rx_bytes", one.rx_bytes);
        entry.set("rx_packets", one.rx_packets);
        entry.set("rx_errors", one.rx_errors);
        entry.set("rx_dropped", one.rx_dropped);
        entry.set("tx_bytes", one.tx_bytes);
        entry.set("tx_packets", one.tx_packets);
        entry.set("tx_errors", one.tx_errors);
        entry.set("tx_dropped", one.tx_dropped);
        networks.set(name, std::move(entry));
    }
    return networks;
}

json::Value cpu_object(const StatsSample& sample) {
    auto& counters = sample.counters;
    json::Object usage;
    usage.set("total_usage", counters.cpu_total);
    if (!counters.cpu_per_cpu.empty()) {
        json::Array per_cpu;
        for (auto value : counters.cpu_per_cpu) per_cpu.emplace_back(value);
        usage.set("percpu_usage", std::move(per_cpu));
    }
    usage.set("usage_in_kernelmode", counters.cpu_kernel);
    usage.set("usage_in_usermode", counters.cpu_user);
    json::Object throttling;
    throttling.set("periods", counters.throttling_periods);
    throttling.set("throttled_periods", counters.throttled_periods);
    throttling.set("throttled_time", counters.throttled_time);
    json::Object cpu;
    cpu.set("cpu_usage", std::move(usage));
    if (!sample.read.is_zero()) {
        cpu.set("system_cpu_usage", sample.system_cpu);
        cpu.set("online_cpus", sample.processors);
    }
    cpu.set("throttling_data", std::move(throttling));
    return cpu;
}

json::Value memory_object(const StatsSample& sample) {
    json::Object memory;
    if (sample.read.is_zero()) return memory;
    auto& counters = sample.counters;
    json::Object details;
    for (auto& [name, value] : counters.memory_stat) details.set(name, value);
    details.sort();
    struct sysinfo host {};
    ::sysinfo(&host);
    uint64_t total = static_cast<uint64_t>(host.totalram) * host.mem_unit;
    memory.set("usage", counters.memory_usage);
    if (!counters.v2) memory.set("max_usage", counters.memory_max_usage);
    memory.set("stats", std::move(details));
    if (counters.memory_failcnt > 0) memory.set("failcnt", counters.memory_failcnt);
    memory.set("limit", counters.memory_limit == 0 || counters.memory_limit > total ? total : counters.memory_limit);
    return memory;
}

json::Value blkio_list(const std::vector<cgroup::BlkioEntry>& entries, bool v2_only_bytes) {
    if (v2_only_bytes) return json::Value();
    json::Array list;
    for (auto& entry : entries) {
        json::Object object;
        object.set("major", entry.major);
        object.set("minor", entry.minor);
        object.set("op", entry.operation);
        object.set("value", entry.value);
        list.push_back(std::move(object));
    }
    return list;
}

json::Value blkio_object(const StatsSample& sample) {
    auto& counters = sample.counters;
    bool none = counters.v2 || sample.read.is_zero();
    json::Object blkio;
    blkio.set("io_service_bytes_recursive", blkio_list(counters.io_service_bytes, sample.read.is_zero()));
    blkio.set("io_serviced_recursive", blkio_list(counters.io_serviced, none));
    blkio.set("io_queue_recursive", blkio_list(counters.io_queued, none));
    blkio.set("io_service_time_recursive", blkio_list(counters.io_service_time, none));
    blkio.set("io_wait_time_recursive", blkio_list(counters.io_wait_time, none));
    blkio.set("io_merged_recursive", blkio_list(counters.io_merged, none));
    blkio.set("io_time_recursive", blkio_list(counters.io_time, none));
    blkio.set("sectors_recursive", blkio_list(counters.sectors, none));
    return blkio;
}

}  // namespace

Result<StatsSample> read_stats(Parts& parts, const container::Container& container) {
    StatsSample sample;
    auto record = container.record();
    if (!record.state.running || record.state.restarting) return sample;
    auto group = TRY(cgroup::Group::at(cgroup_path(parts, record)));
    auto counters = group.stats();
    if (!counters && !container.state().running) return sample;  // it ended in this moment
    sample.counters = TRY(std::move(counters));
    sample.system_cpu = TRY(system_cpu_nanoseconds());
    sample.processors = ::sysconf(_SC_NPROCESSORS_ONLN);
    auto& mode = record.host_config.network_mode;
    if (mode != "host" && mode != "none" && !mode.starts_with("container:")) sample.networks = networks_object(record.state.pid);
    sample.read = now();
    return sample;
}

json::Value stats_object(const container::Container& container, const StatsSample& now, const StatsSample& before, bool with_os_type) {
    json::Object object;
    object.set("name", "/" + container.name());
    object.set("id", container.id());
    if (with_os_type) object.set("os_type", "linux");
    object.set("read", rfc3339_nano(now.read));
    object.set("preread", rfc3339_nano(before.read));
    json::Object pids;
    if (!now.read.is_zero()) {
        pids.set("current", now.counters.pids_current);
        if (now.counters.pids_limit > 0) pids.set("limit", now.counters.pids_limit);
    }
    object.set("pids_stats", std::move(pids));
    object.set("blkio_stats", blkio_object(now));
    object.set("num_procs", 0);
    object.set("storage_stats", json::Object());
    object.set("cpu_stats", cpu_object(now));
    object.set("precpu_stats", cpu_object(before));
    object.set("memory_stats", memory_object(now));
    if (!now.networks.is_null()) object.set("networks", now.networks);
    return object;
}

}  // namespace proa::engine
