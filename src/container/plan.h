#pragma once
#include "container/record.h"
#include "runtime/plan.h"

namespace proa::container {

/// What a plan needs beside the record: paths and facts of this start, all resolved by the engine.
struct PlanInputs {
    std::vector<std::string> overlay_lower;  ///< top first
    std::string overlay_upper, overlay_work, rootfs_directory;
    std::string hosts_path, hostname_path, resolv_conf_path;  ///< "" leaves the image's own file
    int network_descriptor = -1;             ///< plan descriptor of the network namespace; -1: the host's, or `joined_pid`'s
    int shm_descriptor = -1;                 ///< with ipc_pid: plan descriptor of a detached copy of that container's /dev/shm
    std::map<std::string, int> mount_descriptors;  ///< plan descriptors of mount sources that are no host path, by destination
    int32_t network_pid = 0, ipc_pid = 0, pid_pid = 0;  ///< namespaces joined from these processes ("container:X"), 0: none
    bool host_network = false;
    /// userns-remap: the user namespace that the container joins (plan descriptor, or that of process `user_pid`), its maps, and Root::mapped_directory.
    int user_descriptor = -1;
    int32_t user_pid = 0;
    std::vector<runtime::IdMapping> user_mappings, group_mappings;
    std::string layers_directory;
    bool network_of_other_users = false;     ///< the network namespace belongs to another user namespace: nothing of it can be set from inside
    std::string cgroup_path;
    cgroup::Scope cgroup_scope;              ///< with the systemd driver
    bool cgroup_v2 = false;
    std::string seccomp_bpf;
    uint32_t seccomp_flags = 0;
    std::string apparmor_profile;
    std::string init_path;
    bool no_new_privileges = false;
    int64_t default_shm_size = 64 << 20;
    std::vector<docker::Ulimit> default_ulimits;
};

/// The capability sets that Docker's --cap-add, --cap-drop and --privileged mean; inheritable and ambient stay empty.
/// Errors: InvalidArgument `invalid CapAdd: unknown capability: "CAP_FOO"`.
Result<runtime::CapabilitySets> capability_sets(const docker::HostConfig& host);

/// The record as a runtime plan, with Docker's default mounts, devices, masks, sysctls and limits.
/// Errors: InvalidArgument that names the field.
Result<runtime::Plan> make_plan(const Record& record, const PlanInputs& inputs);

/// The process of an exec in the container that `record` describes.
Result<runtime::Process> make_exec_process(const Record& record, const docker::ExecConfig& config, const PlanInputs& inputs);

/// The limits of HostConfig's resources. Errors as make_plan().
Result<cgroup::Limits> make_limits(const docker::HostConfig& host);

/// "c 1:3 rwm", with `*` for any number. Errors: InvalidArgument "invalid device cgroup rule format: 'x'".
Result<cgroup::DeviceRule> parse_device_rule(std::string_view text);

/// RLIMIT_* number of a ulimit name ("nofile"); nullopt when unknown.
std::optional<int> rlimit_number(std::string_view name);

/// Docker's masked and read-only paths of a container that is not privileged.
std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace proa::container
