#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proa::cgroup {

/// One ordered device rule of the OCI model. major/minor -1: any. type: 'a', 'b' or 'c'. access: any of "rwm".
struct DeviceRule {
    bool allow = false;
    char type = 'a';
    int64_t major = -1, minor = -1;
    std::string access = "rwm";
    template <class A>
    void visit(A& a) {
        a(allow, type, major, minor, access);
    }
};

struct DeviceWeight {
    int64_t major = 0, minor = 0;
    std::optional<uint16_t> weight, leaf_weight;
    template <class A>
    void visit(A& a) {
        a(major, minor, weight, leaf_weight);
    }
};
struct DeviceRate {
    int64_t major = 0, minor = 0;
    uint64_t rate = 0;  ///< bytes or operations a second
    template <class A>
    void visit(A& a) {
        a(major, minor, rate);
    }
};
struct HugepageLimit {
    std::string page_size;  ///< "2MB", "1GB"
    uint64_t limit = 0;     ///< bytes
    template <class A>
    void visit(A& a) {
        a(page_size, limit);
    }
};
struct RdmaLimit {
    std::string device;
    std::optional<uint32_t> handles, objects;  ///< unset: not limited
    template <class A>
    void visit(A& a) {
        a(device, handles, objects);
    }
};
struct NameValue {
    std::string name, value;
    template <class A>
    void visit(A& a) {
        a(name, value);
    }
};

/// Resource limits in the OCI runtime specification's terms and units. Unset: not touched. Spec: config-linux.md, resources.
struct Limits {
    std::optional<int64_t> memory_limit, memory_reservation;  ///< bytes, -1: unlimited
    std::optional<int64_t> memory_swap;                       ///< memory + swap in bytes, -1: unlimited
    std::optional<uint64_t> memory_swappiness;
    std::optional<int64_t> kernel_memory_tcp;
    bool memory_check_before_update = false;  ///< refuse a memory limit below what is in use
    std::optional<bool> oom_kill_disable;
    std::optional<uint64_t> cpu_shares;
    std::optional<int64_t> cpu_quota;  ///< microseconds a period
    std::optional<uint64_t> cpu_period, cpu_burst;
    std::optional<int64_t> cpu_realtime_runtime;
    std::optional<uint64_t> cpu_realtime_period;
    std::optional<int64_t> cpu_idle;
    std::string cpuset_cpus, cpuset_mems;
    std::optional<int64_t> pids_limit;  ///< -1: unlimited
    std::optional<uint16_t> blkio_weight, blkio_leaf_weight;
    std::vector<DeviceWeight> blkio_weight_device;
    std::vector<DeviceRate> read_bps, write_bps, read_iops, write_iops;
    std::vector<HugepageLimit> hugepages;
    std::vector<RdmaLimit> rdma;
    std::optional<uint32_t> network_class;       ///< net_cls.classid; version 1 only
    std::vector<NameValue> network_priorities;  ///< interface and priority; version 1 only
    std::vector<NameValue> unified;  ///< raw cgroup v2 files
    std::vector<DeviceRule> devices;

    template <class A>
    void visit(A& a) {
        a(memory_limit, memory_reservation, memory_swap, memory_swappiness, kernel_memory_tcp, memory_check_before_update,
          oom_kill_disable, cpu_shares, cpu_quota, cpu_period, cpu_burst, cpu_realtime_runtime, cpu_realtime_period, cpu_idle,
          cpuset_cpus, cpuset_mems, pids_limit, blkio_weight, blkio_leaf_weight, blkio_weight_device, read_bps, write_bps,
          read_iops, write_iops, hugepages, rdma, network_class, network_priorities, unified, devices);
    }
};

/// A transient unit of systemd that holds a container's cgroup (cgroup/scope.h).
struct Scope {
    std::string slice;  ///< "system.slice"
    std::string name;   ///< "proa-<id>.scope"; empty: no scope, the cgroup is made without systemd
    template <class A>
    void visit(A& a) {
        a(slice, name);
    }
};

}  // namespace proa::cgroup
