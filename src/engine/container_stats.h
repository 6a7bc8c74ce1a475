#pragma once
#include "cgroup/stats.h"
#include "engine/parts.h"

namespace proa::engine {

/// One reading of a container's counters.
struct StatsSample {
    Time read;                       ///< zero for a container that does not run
    cgroup::Stats counters;
    uint64_t system_cpu = 0;         ///< nanoseconds of all processors of the host
    int64_t processors = 0;
    json::Value networks;            ///< per interface; null without
};

Result<StatsSample> read_stats(Parts& parts, const container::Container& container);

/// Docker's stats object for `now` with `before` as the previous reading.
json::Value stats_object(const container::Container& container, const StatsSample& now, const StatsSample& before, bool with_os_type);

}  // namespace proa::engine
