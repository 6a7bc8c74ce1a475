#include <cerrno>

#include "cgroup/apply.h"
#include "cgroup/kernel_file.h"
#include "os/file.h"

namespace proa::cgroup {

namespace {
/// Writes into the directories of one group, naming the limit when its controller or file is missing.
class Writer {
public:
    Writer(const Layout& layout, const std::string& path) : layout_(layout), path_(path) {}

    /// The group's directory in the v1 hierarchy of `controller`.
    Result<std::string> directory(std::string_view controller, std::string_view limit) const {
        const Hierarchy* hierarchy = layout_.find(controller);
        if (!hierarchy || hierarchy->unified)
            return fail(ErrorKind::Unsupported, concat(limit, " cannot be set: this host has no ", controller, " cgroup controller"));
        return hierarchy->mount_point + path_;
    }
    Result<void> put(std::string_view controller, std::string_view file, std::string_view value, std::string_view limit) const {
        std::string directory_path = TRY(directory(controller, limit));
        auto done = write_value(concat(directory_path, '/', file), value);
        if (done) return {};
        if (done.error().number() == ENOENT && os::is_directory(directory_path))
            return fail(ErrorKind::Unsupported, concat(limit, " cannot be set: this kernel has no ", file), ENOENT);
        return fail(std::move(done).error().wrap(concat("set ", limit)));
    }
    template <class T>
    Result<void> put_number(std::string_view controller, std::string_view file, const std::optional<T>& value, std::string_view limit) const {
        if (!value) return {};
        return put(controller, file, concat(*value), limit);
    }
    Result<std::string> get(std::string_view controller, std::string_view file, std::string_view limit) const {
        return os::read_file(concat(TRY(directory(controller, limit)), '/', file));
    }

private:
    const Layout& layout_;
    const std::string& path_;
};

Result<void> check_memory_use(const Writer& writer, const Limits& limits) {
    if (!limits.memory_check_before_update || limits.memory_limit.value_or(-1) < 0) return {};
    auto used = parse_int(trim(TRY(writer.get("memory", "memory.usage_in_bytes", "memory limit"))));
    if (!used || *used <= *limits.memory_limit) return {};
    return fail(ErrorKind::Conflict, concat("memory limit cannot be set to ", *limits.memory_limit, ": ", *used, " bytes are in use (checkBeforeUpdate)"));
}

Result<void> apply_memory(const Writer& writer, const Limits& limits) {
    TRY(check_memory_use(writer, limits));
    auto memory = limits.memory_limit, swap = limits.memory_swap;
    if (memory == -1 && !swap) swap = -1;  // no limit on memory and one on memory and swap together would contradict
    auto put_memory = [&] { return writer.put_number("memory", "memory.limit_in_bytes", memory, "memory limit"); };
    auto put_swap = [&] { return writer.put_number("memory", "memory.memsw.limit_in_bytes", swap, "memory and swap limit"); };
    if (memory && swap) {
        // The kernel insists on memory <= memory and swap at every moment: raise the outer limit first, lower it last.
        auto text = writer.get("memory", "memory.memsw.limit_in_bytes", "memory and swap limit");
        uint64_t now = text ? parse_uint(trim(*text)).value_or(0) : 0;
        bool raise_first = *swap == -1 || (*memory != -1 && now < static_cast<uint64_t>(*memory));
        if (raise_first) TRY(put_swap());
        TRY(put_memory());
        if (!raise_first) TRY(put_swap());
    } else {
        TRY(put_memory());
        TRY(put_swap());
    }
    TRY(writer.put_number("memory", "memory.soft_limit_in_bytes", limits.memory_reservation, "memory reservation"));
    TRY(writer.put_number("memory", "memory.kmem.tcp.limit_in_bytes", limits.kernel_memory_tcp, "kernel TCP memory limit"));
    TRY(writer.put_number("memory", "memory.swappiness", limits.memory_swappiness, "memory swappiness"));
    if (limits.oom_kill_disable) TRY(writer.put("memory", "memory.oom_control", *limits.oom_kill_disable ? "1" : "0", "OOM kill disable"));
    return {};
}

Result<void> apply_cpu(const Writer& writer, const Limits& limits) {
    TRY(writer.put_number("cpu", "cpu.shares", limits.cpu_shares, "CPU shares"));
    TRY(writer.put_number("cpu", "cpu.idle", limits.cpu_idle, "CPU idle"));
    auto burst = [&] { return writer.put_number("cpu", "cpu.cfs_burst_us", limits.cpu_burst, "CPU burst"); };
    // A burst above the old quota is refused and a quota below the old burst too: one of both orders fits.
    bool burst_first = limits.cpu_burst && burst().has_value();
    auto period = writer.put_number("cpu", "cpu.cfs_period_us", limits.cpu_period, "CPU period");
    if (!period && (period.error().number() != EINVAL || !limits.cpu_quota)) return period;
    TRY(writer.put_number("cpu", "cpu.cfs_quota_us", limits.cpu_quota, "CPU quota"));
    // Sub-groups and parents bound the ratio of both: when the new period did not fit the old quota, it fits the new one.
    if (!period) TRY(writer.put_number("cpu", "cpu.cfs_period_us", limits.cpu_period, "CPU period"));
    if (!burst_first) TRY(burst());
    TRY(writer.put_number("cpu", "cpu.rt_period_us", limits.cpu_realtime_period, "CPU real-time period"));
    TRY(writer.put_number("cpu", "cpu.rt_runtime_us", limits.cpu_realtime_runtime, "CPU real-time runtime"));
    if (!limits.cpuset_cpus.empty()) TRY(writer.put("cpuset", "cpuset.cpus", limits.cpuset_cpus, "CPU set"));
    if (!limits.cpuset_mems.empty()) TRY(writer.put("cpuset", "cpuset.mems", limits.cpuset_mems, "memory node set"));
    return {};
}

Result<void> put_rates(const Writer& writer, const std::vector<DeviceRate>& rates, std::string_view file, std::string_view limit) {
    for (auto& rate : rates) TRY(writer.put("blkio", file, concat(rate.major, ':', rate.minor, ' ', rate.rate), limit));
    return {};
}

Result<void> apply_blkio(const Writer& writer, const Limits& limits) {
    // CFQ's files until Linux 4.20, BFQ's since.
    auto weight = [&](std::string_view file, std::string_view other, const std::string& value, std::string_view limit) -> Result<void> {
        auto done = writer.put("blkio", file, value, limit);
        if (!done && done.error().number() == ENOENT && !other.empty()) return writer.put("blkio", other, value, limit);
        return done;
    };
    if (limits.blkio_weight) TRY(weight("blkio.weight", "blkio.bfq.weight", concat(*limits.blkio_weight), "block I/O weight"));
    if (limits.blkio_leaf_weight) TRY(weight("blkio.leaf_weight", "", concat(*limits.blkio_leaf_weight), "block I/O leaf weight"));
    for (auto& device : limits.blkio_weight_device) {
        std::string prefix = concat(device.major, ':', device.minor, ' ');
        if (device.weight) TRY(weight("blkio.weight_device", "blkio.bfq.weight_device", prefix + concat(*device.weight), "block I/O device weight"));
        if (device.leaf_weight) TRY(weight("blkio.leaf_weight_device", "", prefix + concat(*device.leaf_weight), "block I/O device leaf weight"));
    }
    TRY(put_rates(writer, limits.read_bps, "blkio.throttle.read_bps_device", "block I/O read rate"));
    TRY(put_rates(writer, limits.write_bps, "blkio.throttle.write_bps_device", "block I/O write rate"));
    TRY(put_rates(writer, limits.read_iops, "blkio.throttle.read_iops_device", "block I/O read operations"));
    TRY(put_rates(writer, limits.write_iops, "blkio.throttle.write_iops_device", "block I/O write operations"));
    return {};
}
}  // namespace

Result<void> apply_v1(const Layout& layout, const std::string& path, const Limits& limits) {
    Writer writer(layout, path);
    TRY(apply_memory(writer, limits));
    TRY(apply_cpu(writer, limits));
    if (limits.pids_limit)
        TRY(writer.put("pids", "pids.max", *limits.pids_limit < 0 ? "max" : concat(*limits.pids_limit), "pids limit"));
    TRY(apply_blkio(writer, limits));
    if (limits.network_class) TRY(writer.put("net_cls", "net_cls.classid", concat(*limits.network_class), "network class"));
    for (auto& item : limits.network_priorities) TRY(writer.put("net_prio", "net_prio.ifpriomap", concat(item.name, ' ', item.value), "network priority"));
    if (const Hierarchy* rdma = layout.find("rdma"); !rdma || !rdma->unified)
        for (auto& item : limits.rdma) TRY(writer.put("rdma", "rdma.max", rdma_line(item), "RDMA limit"));
    const Hierarchy* hugetlb = layout.find("hugetlb");
    if (!hugetlb || !hugetlb->unified)
        for (auto& huge : limits.hugepages)
            TRY(writer.put("hugetlb", concat("hugetlb.", huge.page_size, ".limit_in_bytes"), concat(huge.limit), "huge page limit"));
    return {};
}

}  // namespace proa::cgroup
