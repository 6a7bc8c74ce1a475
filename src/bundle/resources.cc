#include "base/text.h"
#include "bundle/config.h"
#include "bundle/config_numbers.h"

namespace proa::bundle {

namespace {
template <class T>
Result<void> read(const json::Value& object, const char* name, std::optional<T>& target) {
    const json::Value& value = object[name];
    if (value.is_null()) return {};
    if (!value.is_integer()) return invalid(concat("resources: ", std::string_view(name), " must be a number"));
    if (auto* large = std::get_if<uint64_t>(&value.storage())) {
        if (!std::in_range<T>(*large)) return invalid(concat("resources: ", std::string_view(name), " is out of range"));
        target = static_cast<T>(*large);
        return {};
    }
    if (!std::in_range<T>(value.as_int())) return invalid(concat("resources: ", std::string_view(name), " is out of range"));
    target = static_cast<T>(value.as_int());
    return {};
}

Result<std::vector<cgroup::DeviceRate>> rates(const json::Value& list) {
    std::vector<cgroup::DeviceRate> out;
    for (auto& item : list.as_array()) {
        if (item["rate"].as_int() < 0) return invalid("resources: a throttle rate is negative");
        out.push_back({item["major"].as_int(), item["minor"].as_int(), static_cast<uint64_t>(item["rate"].as_int())});
    }
    return out;
}

Result<void> read_memory(const json::Value& memory, cgroup::Limits& limits) {
    TRY(read(memory, "limit", limits.memory_limit));
    TRY(read(memory, "reservation", limits.memory_reservation));
    TRY(read(memory, "swap", limits.memory_swap));
    TRY(read(memory, "swappiness", limits.memory_swappiness));
    // `kernel` and `kernelTCP` are obsolete and ignored, as the specification says.
    if (memory["disableOOMKiller"].as_bool()) limits.oom_kill_disable = true;
    limits.memory_check_before_update = memory["checkBeforeUpdate"].as_bool();
    // 0 stands for "not set" with every engine that fills these fields.
    for (auto* value : {&limits.memory_limit, &limits.memory_reservation, &limits.memory_swap})
        if (*value == 0) value->reset();
    return {};
}

Result<void> read_cpu(const json::Value& cpu, cgroup::Limits& limits) {
    TRY(read(cpu, "shares", limits.cpu_shares));
    TRY(read(cpu, "quota", limits.cpu_quota));
    TRY(read(cpu, "period", limits.cpu_period));
    TRY(read(cpu, "burst", limits.cpu_burst));
    TRY(read(cpu, "realtimeRuntime", limits.cpu_realtime_runtime));
    TRY(read(cpu, "realtimePeriod", limits.cpu_realtime_period));
    TRY(read(cpu, "idle", limits.cpu_idle));
    limits.cpuset_cpus = cpu["cpus"].as_string();
    limits.cpuset_mems = cpu["mems"].as_string();
    for (auto* value : {&limits.cpu_shares, &limits.cpu_period, &limits.cpu_realtime_period})
        if (*value == 0u) value->reset();
    for (auto* value : {&limits.cpu_quota, &limits.cpu_realtime_runtime})
        if (*value == 0) value->reset();
    return {};
}

Result<void> read_block_io(const json::Value& io, cgroup::Limits& limits) {
    TRY(read(io, "weight", limits.blkio_weight));
    TRY(read(io, "leafWeight", limits.blkio_leaf_weight));
    for (auto* value : {&limits.blkio_weight, &limits.blkio_leaf_weight})
        if (*value == 0) value->reset();
    for (auto& item : io["weightDevice"].as_array()) {
        cgroup::DeviceWeight device{item["major"].as_int(), item["minor"].as_int(), {}, {}};
        TRY(read(item, "weight", device.weight));
        TRY(read(item, "leafWeight", device.leaf_weight));
        limits.blkio_weight_device.push_back(device);
    }
    limits.read_bps = TRY(rates(io["throttleReadBpsDevice"]));
    limits.write_bps = TRY(rates(io["throttleWriteBpsDevice"]));
    limits.read_iops = TRY(rates(io["throttleReadIOPSDevice"]));
    limits.write_iops = TRY(rates(io["throttleWriteIOPSDevice"]));
    return {};
}

Result<void> read_device_rules(const json::Value& list, cgroup::Limits& limits) {
    for (auto& item : list.as_array()) {
        cgroup::DeviceRule rule;
        rule.allow = item["allow"].as_bool();
        const std::string& type = item["type"].as_string();
        if (type.size() > 1) return invalid(concat("resources: device type ", quote(type)));
        rule.type = type.empty() ? 'a' : type[0];
        rule.major = item["major"].is_null() ? -1 : item["major"].as_int();
        rule.minor = item["minor"].is_null() ? -1 : item["minor"].as_int();
        rule.access = item["access"].as_string();
        limits.devices.push_back(std::move(rule));
    }
    return {};
}
bool is_before_1_3(std::string_view version) {
    auto parts = split(version, '.');
    return parts.size() < 2 || parts[0] != "1" || parse_uint(parts[1]).value_or(0) < 3;
}

/// It becomes a part of a file's name.
bool is_page_size(std::string_view text) {
    size_t digits = text.find_first_not_of("0123456789");
    return digits != 0 && digits != std::string_view::npos && (text.substr(digits) == "KB" || text.substr(digits) == "MB" || text.substr(digits) == "GB");
}
}  // namespace

Result<cgroup::Limits> limits_of(const json::Value& resources, std::string_view version) {
    TRY(check_resources_shape(resources));
    cgroup::Limits limits;
    TRY(read_memory(resources["memory"], limits));
    TRY(read_cpu(resources["cpu"], limits));
    TRY(read_block_io(resources["blockIO"], limits));
    TRY(read(resources["pids"], "limit", limits.pids_limit));
    if (limits.pids_limit == 0 && is_before_1_3(version)) limits.pids_limit.reset();  // engines of that age mean "not set"
    for (auto& item : resources["hugepageLimits"].as_array()) {
        uint64_t limit = TRY(number<uint64_t>(item["limit"], "resources: hugepageLimits.limit"));
        if (!is_page_size(item["pageSize"].as_string())) return invalid(concat("resources: hugepageLimits.pageSize ", quote(item["pageSize"].as_string()), " is no size such as 2MB"));
        limits.hugepages.push_back({item["pageSize"].as_string(), limit});
    }
    for (auto& member : resources["unified"].as_object()) limits.unified.push_back({member.name, member.value.as_string()});
    TRY(read_device_rules(resources["devices"], limits));
    TRY(read(resources["network"], "classID", limits.network_class));
    for (auto& item : resources["network"]["priorities"].as_array())
        limits.network_priorities.push_back({item["name"].as_string(), concat(TRY(number<uint32_t>(item["priority"], "resources: network priority")))});
    for (auto& member : resources["rdma"].as_object()) {
        cgroup::RdmaLimit limit;
        limit.device = member.name;
        TRY(read(member.value, "hcaHandles", limit.handles));
        TRY(read(member.value, "hcaObjects", limit.objects));
        limits.rdma.push_back(std::move(limit));
    }
    return limits;
}

}  // namespace proa::bundle
