#include <algorithm>
#include <cerrno>
#include <cmath>

#include "cgroup/apply.h"
#include "cgroup/kernel_file.h"
#include "os/file.h"

namespace proa::cgroup {

uint64_t weight_of_shares(uint64_t shares) {
    if (shares <= 2) return 1;
    if (shares >= 262144) return 10000;
    double power = std::log2(static_cast<double>(shares));
    double exponent = power * (power + 125) / 612.0 - 7.0 / 34.0;
    return static_cast<uint64_t>(std::ceil(std::pow(10, exponent)));
}

uint64_t io_weight_of_blkio_weight(uint64_t weight) {
    if (weight <= 10) return 1;
    return std::min<uint64_t>(10000, 1 + (weight - 10) * 9999 / 990);
}

std::string rdma_line(const RdmaLimit& limit) {
    auto number = [](const std::optional<uint32_t>& value) { return value ? concat(*value) : std::string("max"); };
    return concat(limit.device, " hca_handle=", number(limit.handles), " hca_object=", number(limit.objects));
}

namespace {
class Writer {
public:
    Writer(const Hierarchy& hierarchy, const std::string& path) : hierarchy_(hierarchy), directory_(hierarchy.mount_point + path) {}

    Result<void> put(std::string_view controller, std::string_view file, std::string_view value, std::string_view limit) const {
        if (!hierarchy_.has(controller))
            return fail(ErrorKind::Unsupported, concat(limit, " cannot be set: this host has no ", controller, " cgroup controller"));
        auto done = write_value(concat(directory_, '/', file), value);
        if (done) return {};
        if (done.error().number() == ENOENT && os::is_directory(directory_))
            return fail(ErrorKind::Unsupported, concat(limit, " cannot be set: this kernel has no ", file, " (or the parent group does not hand down ",
                                                       controller, ")"), ENOENT);
        return fail(std::move(done).error().wrap(concat("set ", limit)));
    }
    bool has_file(std::string_view file) const { return os::exists(concat(directory_, '/', file)); }
    const std::string& directory() const { return directory_; }

private:
    const Hierarchy& hierarchy_;
    std::string directory_;
};

std::string number_or_max(int64_t value) { return value < 0 ? "max" : concat(value); }

Result<void> check_memory_use(const Writer& writer, const Limits& limits) {
    if (!limits.memory_check_before_update || limits.memory_limit.value_or(-1) < 0) return {};
    auto used = parse_int(trim(TRY(os::read_file(writer.directory() + "/memory.current"))));
    if (!used || *used <= *limits.memory_limit) return {};
    return fail(ErrorKind::Conflict, concat("memory limit cannot be set to ", *limits.memory_limit, ": ", *used, " bytes are in use (checkBeforeUpdate)"));
}

Result<void> apply_memory(const Writer& writer, const Limits& limits) {
    TRY(check_memory_use(writer, limits));
    if (limits.memory_swap) {
        // OCI counts memory and swap together, cgroup2 swap alone.
        int64_t total = *limits.memory_swap, swap = -1;
        if (total >= 0) {
            if (!limits.memory_limit || *limits.memory_limit < 0)
                return fail(ErrorKind::InvalidArgument, "memory and swap limit without a memory limit");
            if (total < *limits.memory_limit) return fail(ErrorKind::InvalidArgument, "memory and swap limit is below the memory limit");
            swap = total - *limits.memory_limit;
        }
        // Without swap accounting only "no limit" is already true.
        if (swap >= 0 || writer.has_file("memory.swap.max")) TRY(writer.put("memory", "memory.swap.max", number_or_max(swap), "swap limit"));
    } else if (limits.memory_limit == -1 && writer.has_file("memory.swap.max")) {
        TRY(writer.put("memory", "memory.swap.max", "max", "swap limit"));
    }
    if (limits.memory_limit) TRY(writer.put("memory", "memory.max", number_or_max(*limits.memory_limit), "memory limit"));
    if (limits.memory_reservation) TRY(writer.put("memory", "memory.low", number_or_max(*limits.memory_reservation), "memory reservation"));
    if (limits.memory_swappiness) return fail(ErrorKind::Unsupported, "memory swappiness cannot be set: cgroup version 2 does not know it");
    if (limits.oom_kill_disable.value_or(false))
        return fail(ErrorKind::Unsupported, "OOM kill disable cannot be set: cgroup version 2 does not know it");
    return {};
}

Result<void> apply_cpu(const Writer& writer, const Limits& limits) {
    if (limits.cpu_idle) TRY(writer.put("cpu", "cpu.idle", concat(*limits.cpu_idle), "CPU idle"));
    if (limits.cpu_shares && *limits.cpu_shares > 0 && limits.cpu_idle.value_or(0) == 0)
        TRY(writer.put("cpu", "cpu.weight", concat(weight_of_shares(*limits.cpu_shares)), "CPU shares"));
    auto burst = [&] { return writer.put("cpu", "cpu.max.burst", concat(*limits.cpu_burst), "CPU burst"); };
    bool burst_done = limits.cpu_burst && burst().has_value();
    if (limits.cpu_quota || limits.cpu_period) {
        std::string value;
        if (limits.cpu_quota) value = *limits.cpu_quota > 0 ? concat(*limits.cpu_quota) : "max";
        else if (auto old = os::read_file(writer.directory() + "/cpu.max")) value = split_fields(*old).empty() ? "max" : split_fields(*old)[0];
        if (value.empty()) value = "max";
        if (limits.cpu_period.value_or(0) > 0) value += concat(' ', *limits.cpu_period);
        TRY(writer.put("cpu", "cpu.max", value, "CPU quota"));
    }
    if (limits.cpu_burst && !burst_done) TRY(burst());
    if (limits.cpu_realtime_period.value_or(0) || limits.cpu_realtime_runtime.value_or(0))
        return fail(ErrorKind::Unsupported, "CPU real-time limits cannot be set: cgroup version 2 does not know them");
    if (!limits.cpuset_cpus.empty()) TRY(writer.put("cpuset", "cpuset.cpus", limits.cpuset_cpus, "CPU set"));
    if (!limits.cpuset_mems.empty()) TRY(writer.put("cpuset", "cpuset.mems", limits.cpuset_mems, "memory node set"));
    return {};
}

Result<void> apply_io(const Writer& writer, const Limits& limits) {
    if (limits.blkio_leaf_weight.value_or(0)) return fail(ErrorKind::Unsupported, "block I/O leaf weight cannot be set: cgroup version 2 does not know it");
    bool bfq = writer.has_file("io.bfq.weight");
    auto weight = [&](std::string_view prefix, uint16_t value, std::string_view limit) {
        if (bfq) return writer.put("io", "io.bfq.weight", concat(prefix, value), limit);
        return writer.put("io", "io.weight", concat(prefix, io_weight_of_blkio_weight(value)), limit);
    };
    if (limits.blkio_weight.value_or(0)) TRY(weight("", *limits.blkio_weight, "block I/O weight"));
    for (auto& device : limits.blkio_weight_device) {
        if (device.leaf_weight.value_or(0)) return fail(ErrorKind::Unsupported, "block I/O leaf weight cannot be set: cgroup version 2 does not know it");
        if (device.weight) TRY(weight(concat(device.major, ':', device.minor, ' '), *device.weight, "block I/O device weight"));
    }
    auto rates = [&](const std::vector<DeviceRate>& list, std::string_view key, std::string_view limit) -> Result<void> {
        for (auto& rate : list) {
            std::string value = rate.rate == 0 ? "max" : concat(rate.rate);
            TRY(writer.put("io", "io.max", concat(rate.major, ':', rate.minor, ' ', key, '=', value), limit));
        }
        return {};
    };
    TRY(rates(limits.read_bps, "rbps", "block I/O read rate"));
    TRY(rates(limits.write_bps, "wbps", "block I/O write rate"));
    TRY(rates(limits.read_iops, "riops", "block I/O read operations"));
    TRY(rates(limits.write_iops, "wiops", "block I/O write operations"));
    return {};
}

Result<void> apply_unified(const Hierarchy& hierarchy, const Writer& writer, const std::vector<NameValue>& files) {
    for (auto& file : files) {
        if (file.name.empty() || file.name.find('/') != std::string::npos || file.name.starts_with("cgroup."))
            return fail(ErrorKind::InvalidArgument, concat("unified resource ", quote(file.name), " must be a file of a controller"));
        std::string_view controller = std::string_view(file.name).substr(0, file.name.find('.'));
        if (!hierarchy.has(controller))
            return fail(ErrorKind::Unsupported, concat("unified resource ", quote(file.name), " can't be set: controller ", quote(controller), " not available"));
        TRY(writer.put(controller, file.name, file.value, concat("unified resource ", quote(file.name))));
    }
    return {};
}
}  // namespace

Result<void> apply_v2(const Layout& layout, const Hierarchy& hierarchy, const std::string& path, const Limits& limits) {
    Writer writer(hierarchy, path);
    if (layout.version == Version::V2) {
        TRY(apply_memory(writer, limits));
        TRY(apply_cpu(writer, limits));
        if (limits.pids_limit) TRY(writer.put("pids", "pids.max", number_or_max(*limits.pids_limit), "pids limit"));
        TRY(apply_io(writer, limits));
        if (limits.network_class || !limits.network_priorities.empty())
            return fail(ErrorKind::Unsupported, "network class and priorities cannot be set: cgroup version 2 does not know them");
    }
    if (layout.version == Version::V2 || hierarchy.has("rdma"))
        for (auto& item : limits.rdma) TRY(writer.put("rdma", "rdma.max", rdma_line(item), "RDMA limit"));
    if (layout.version == Version::V2 || hierarchy.has("hugetlb"))
        for (auto& huge : limits.hugepages) {
            TRY(writer.put("hugetlb", concat("hugetlb.", huge.page_size, ".max"), concat(huge.limit), "huge page limit"));
            std::string reserved = concat("hugetlb.", huge.page_size, ".rsvd.max");
            if (writer.has_file(reserved)) TRY(writer.put("hugetlb", reserved, concat(huge.limit), "huge page reservation limit"));
        }
    return apply_unified(hierarchy, writer, limits.unified);
}

}  // namespace proa::cgroup
