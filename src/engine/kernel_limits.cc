#include "engine/kernel_limits.h"

#include <set>

#include "base/text.h"
#include "cgroup/layout.h"
#include "os/file.h"

namespace proa::engine {

namespace {

/// What the kernel's cgroups offer here: a file of version 1, or a controller of version 2.
struct Offer {
    const cgroup::Layout& layout;
    bool v2 = layout.version == cgroup::Version::V2;

    bool has(std::string_view controller, std::initializer_list<std::string_view> v1_files, bool on_v2 = true) const {
        auto* hierarchy = layout.find(controller);
        if (!hierarchy && controller == "blkio") hierarchy = layout.find("io");
        if (!hierarchy) return false;
        if (v2) return on_v2;
        for (auto file : v1_files)
            if (os::exists(concat(hierarchy->mount_point, '/', file))) return true;
        return false;
    }
    std::string text(std::string_view controller, std::string_view v1_file, std::string_view v2_file) const {
        auto* hierarchy = layout.find(controller);
        return hierarchy ? std::string(trim(os::read_file(concat(hierarchy->mount_point, '/', v2 ? v2_file : v1_file)).value_or(""))) : "";
    }
};

/// "0-2,7"; nullopt when it is no such list.
std::optional<std::set<int64_t>> parse_list(std::string_view text) {
    std::set<int64_t> numbers;
    for (auto& piece : split_nonempty(text, ',')) {
        auto range = cut(piece, "-");
        auto first = parse_uint(range ? range->first : piece), last = range ? parse_uint(range->second) : first;
        if (!first || !last || *first > *last || *last > 8192) return std::nullopt;
        for (uint64_t number = *first; number <= *last; number++) numbers.insert(static_cast<int64_t>(number));
    }
    return numbers;
}

Result<void> check_available(const std::string& asked, const std::string& available, std::string_view what, std::string_view file) {
    if (asked.empty()) return {};
    auto wanted = parse_list(asked), there = parse_list(available);
    if (!wanted) return fail(ErrorKind::InvalidArgument, concat("Invalid value ", asked, " for ", file));
    if (!there || there->empty()) return {};
    for (int64_t number : *wanted)
        if (!there->contains(number))
            return fail(ErrorKind::InvalidArgument, concat("Requested ", what, " are not available - requested ", asked, ", available: ", available));
    return {};
}

class Discarder {
public:
    Discarder(docker::Resources& resources, const Offer& offer) : resources_(resources), offer_(offer) {}
    std::vector<std::string> warnings;

    void memory() {
        auto& r = resources_;
        if (r.memory > 0 && !offer_.has("memory", {"memory.limit_in_bytes"})) {
            warn("Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.");
            r.memory = 0;
            r.memory_swap = -1;
        }
        if (r.memory > 0 && r.memory_swap != -1 && !offer_.has("memory", {"memory.memsw.limit_in_bytes"})) {
            warn("Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.");
            r.memory_swap = -1;
        }
        if (r.memory_swappiness && *r.memory_swappiness != -1 && !offer_.has("memory", {"memory.swappiness"}, false)) {
            warn("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.");
            r.memory_swappiness.reset();
        }
        if (r.memory_reservation > 0 && !offer_.has("memory", {"memory.soft_limit_in_bytes"})) {
            warn("Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.");
            r.memory_reservation = 0;
        }
        if (r.oom_kill_disable && !offer_.has("memory", {"memory.oom_control"}, false)) {
            if (*r.oom_kill_disable) warn("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
            r.oom_kill_disable.reset();
        }
        if (r.oom_kill_disable.value_or(false) && r.memory == 0)
            warn("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
        if (r.pids_limit && *r.pids_limit != 0 && !offer_.has("pids", {"cgroup.procs"})) {
            warn("Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.");
            r.pids_limit.reset();
        }
    }

    Result<void> cpu() {
        auto& r = resources_;
        if (r.nano_cpus > 0 && !offer_.has("cpu", {"cpu.cfs_quota_us"}))
            return fail(ErrorKind::InvalidArgument, "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted");
        if (r.cpu_shares > 0 && !offer_.has("cpu", {"cpu.shares"})) {
            warn("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
            r.cpu_shares = 0;
        }
        if ((r.cpu_period != 0 || r.cpu_quota != 0) && !offer_.has("cpu", {"cpu.cfs_quota_us"})) {
            warn("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
            r.cpu_period = r.cpu_quota = 0;
        }
        if (r.cpu_realtime_period != 0 || r.cpu_realtime_runtime != 0) {
            if (!offer_.has("cpu", {"cpu.rt_runtime_us"}, false)) return fail(ErrorKind::InvalidArgument, "kernel does not support CPU real-time scheduler");
            if (r.cpu_realtime_period != 0 && r.cpu_realtime_runtime > r.cpu_realtime_period)
                return fail(ErrorKind::InvalidArgument, "cpu real-time runtime cannot be higher than cpu real-time period");
        }
        if ((!r.cpuset_cpus.empty() || !r.cpuset_mems.empty()) && !offer_.has("cpuset", {"cpuset.cpus"})) {
            warn("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
            r.cpuset_cpus.clear();
            r.cpuset_mems.clear();
        }
        TRY(check_available(r.cpuset_cpus, offer_.text("cpuset", "cpuset.cpus", "cpuset.cpus.effective"), "CPUs", "cpuset cpus"));
        return check_available(r.cpuset_mems, offer_.text("cpuset", "cpuset.mems", "cpuset.mems.effective"), "memory nodes", "cpuset mems");
    }

    Result<void> block_io() {
        auto& r = resources_;
        if (r.blkio_weight != 0 && !offer_.has("blkio", {"blkio.weight", "blkio.bfq.weight"})) {
            warn("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
            r.blkio_weight = 0;
        }
        if (r.blkio_weight != 0 && (r.blkio_weight < 10 || r.blkio_weight > 1000))
            return fail(ErrorKind::InvalidArgument, "Range of blkio weight is from 10 to 1000");
        if (r.blkio_weight_device && !r.blkio_weight_device->empty() && !offer_.has("blkio", {"blkio.weight_device", "blkio.bfq.weight_device"})) {
            warn("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.");
            r.blkio_weight_device->clear();
        }
        struct Throttle {
            std::optional<std::vector<docker::ThrottleDevice>>& list;
            std::string_view file, kind, what;
        };
        for (auto& throttle :
             {Throttle{r.blkio_device_read_bps, "blkio.throttle.read_bps_device", "BPS Block I/O read limit", "Block I/O BPS read limit"},
              Throttle{r.blkio_device_write_bps, "blkio.throttle.write_bps_device", "BPS Block I/O write limit", "Block I/O BPS write limit"},
              Throttle{r.blkio_device_read_iops, "blkio.throttle.read_iops_device", "IOPS Block read limit", "Block I/O IOPS read limit"},
              Throttle{r.blkio_device_write_iops, "blkio.throttle.write_iops_device", "IOPS Block write limit", "Block I/O IOPS write limit"}}) {
            if (!throttle.list || throttle.list->empty() || offer_.has("blkio", {throttle.file})) continue;
            warn(concat("Your kernel does not support ", throttle.kind, " or the cgroup is not mounted. ", throttle.what, " discarded."));
            throttle.list->clear();
        }
        return {};
    }

    /// Kept as they are, as Docker does: clients find again what they wrote.
    void windows() {
        auto& r = resources_;
        for (auto& [name, value] : {std::pair("CpuCount", r.cpu_count),
                                    {"CpuPercent", r.cpu_percent},
                                    {"IOMaximumIOps", static_cast<int64_t>(r.io_maximum_iops)},
                                    {"IOMaximumBandwidth", static_cast<int64_t>(r.io_maximum_bandwidth)}})
            if (value != 0) warn(concat(name, " is for Windows: it limits nothing on Linux."));
    }

private:
    void warn(std::string text) { warnings.push_back(std::move(text)); }
    docker::Resources& resources_;
    const Offer& offer_;
};

}  // namespace

Result<std::vector<std::string>> discard_unsupported_limits(docker::Resources& resources) {
    Offer offer{*TRY(cgroup::layout())};
    Discarder discarder(resources, offer);
    discarder.memory();
    TRY(discarder.cpu());
    TRY(discarder.block_io());
    discarder.windows();
    return std::move(discarder.warnings);
}

}  // namespace proa::engine
