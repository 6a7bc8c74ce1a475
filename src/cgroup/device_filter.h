#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cgroup/limits.h"
#include "os/fd.h"

// One model of device rules from which both the v1 files and the cgroup2 program are made, so that both hosts decide alike (C25).
namespace proa::cgroup {

/// What the kernel's v1 controller keeps: a default and exceptions from it.
struct DeviceModel {
    struct Exception {
        char type = 'c';
        int64_t major = -1, minor = -1;  ///< -1: any
        uint32_t access = 0;             ///< kMknod | kRead | kWrite
    };
    static constexpr uint32_t kMknod = 1, kRead = 2, kWrite = 4, kAll = 7;

    bool default_allow = true;
    std::vector<Exception> exceptions;

    /// The kernel's decision for one access.
    bool allows(char type, int64_t major, int64_t minor, uint32_t access) const;
};

/// Plays the ordered rules through. Errors: InvalidArgument for an unknown type or access, and for a rule that takes away a part
/// of a wider exception, which the v1 controller cannot express.
Result<DeviceModel> reduce_device_rules(const std::vector<DeviceRule>& rules);

struct DeviceWrite {
    bool allow = false;  ///< devices.allow, else devices.deny
    std::string line;    ///< "a" or "c 1:3 rwm"
};
std::vector<DeviceWrite> device_writes(const DeviceModel& model);

/// The instructions (struct bpf_insn[]) of a BPF_PROG_TYPE_CGROUP_DEVICE program.
std::vector<uint64_t> device_program(const DeviceModel& model);
/// Loads the program and puts it in the place of the ones attached to the cgroup2 directory. Needs CAP_BPF or CAP_SYS_ADMIN.
Result<void> attach_device_program(const std::string& unified_directory, const DeviceModel& model);

}  // namespace proa::cgroup
