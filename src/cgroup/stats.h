#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace proa::cgroup {

struct BlkioEntry {
    uint64_t major = 0, minor = 0;
    std::string operation;  ///< "Read", "Write", "Sync", "Async", "Discard", "Total"; v2: "read", "write" (Docker's own difference)
    uint64_t value = 0;
};

struct HugepageUsage {
    std::string page_size;
    uint64_t usage = 0, max_usage = 0, failcnt = 0;
};

/// What Docker's stats need, in its units: nanoseconds and bytes. Numbers that the host does not have are 0.
struct Stats {
    bool v2 = false;

    uint64_t cpu_total = 0, cpu_user = 0, cpu_kernel = 0;
    std::vector<uint64_t> cpu_per_cpu;  ///< v1 only
    uint64_t throttling_periods = 0, throttled_periods = 0, throttled_time = 0;

    uint64_t memory_usage = 0, memory_max_usage = 0, memory_limit = 0, memory_failcnt = 0;
    uint64_t swap_usage = 0, swap_limit = 0;
    std::vector<std::pair<std::string, uint64_t>> memory_stat;  ///< every line of memory.stat

    uint64_t pids_current = 0, pids_limit = 0;  ///< unlimited: 0 on v1, UINT64_MAX on v2 (Docker's own difference)

    std::vector<BlkioEntry> io_service_bytes, io_serviced, io_queued, io_service_time, io_wait_time, io_merged, io_time, sectors;
    std::vector<HugepageUsage> hugepages;
};

}  // namespace proa::cgroup
