#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/pack.h"
#include "cgroup/limits.h"

// Everything a container's init needs, resolved beforehand by the daemon (container/) or from an OCI bundle (bundle/). The plan
// travels packed (base/pack.h) in a sealed memfd; docs/formats/plan.md.
namespace proa::runtime {

constexpr uint32_t kPlanVersion = 3;

enum class NamespaceType : uint8_t { Mount, Network, Pid, Ipc, Uts, User, Cgroup, Time };

struct Namespace {
    NamespaceType type = NamespaceType::Mount;
    std::string path;         ///< join the namespace behind this path; empty: see descriptor
    int32_t descriptor = -1;  ///< join the one behind Streams::descriptors[descriptor]; -1 and no path: a new one
    template <class A>
    void visit(A& a) {
        a(type, path, descriptor);
    }
};

struct IdMapping {
    uint32_t container_id = 0, host_id = 0, size = 0;
    template <class A>
    void visit(A& a) {
        a(container_id, host_id, size);
    }
};

enum class Propagation : uint8_t { Unset, Private, RecursivePrivate, Shared, RecursiveShared, Slave, RecursiveSlave, Unbindable, RecursiveUnbindable };

/// One mount below the container's root, done in list order. Flags are MS_* of mount(2).
struct Mount {
    std::string destination;            ///< container path; missing parents and the target itself are created
    std::string type;                   ///< file system type; ignored for binds
    std::string source;                 ///< host path for binds (opened before the root is entered), else the device text
    std::string data;                   ///< file system options, comma separated
    uint64_t flags = 0;                 ///< MS_* to set (MS_BIND and MS_REC choose a bind)
    uint64_t cleared_flags = 0;         ///< MS_* to clear on a bind (dev, exec, suid, rw asked for explicitly)
    uint64_t recursive_set = 0, recursive_clear = 0;  ///< MOUNT_ATTR_* by mount_setattr(AT_RECURSIVE): rro, rnosuid ...
    bool recursive_readonly_if_possible = false;      ///< Docker's plain `ro` bind: recursive where the kernel can
    Propagation propagation = Propagation::Unset;
    bool copy_up = false;               ///< tmpcopyup: a tmpfs that starts with what is at the destination
    bool is_cgroup = false;             ///< type "cgroup": the host's hierarchies as v1, hybrid or v2 shows them
    int32_t descriptor = -1;            ///< bind source: Streams::descriptors[descriptor] (O_PATH or a detached tree) instead of `source`
    std::vector<IdMapping> uid_mappings, gid_mappings;  ///< idmapped mount
    bool map_recursively = false;       ///< the maps hold for the mounts below as well
    template <class A>
    void visit(A& a) {
        a(destination, type, source, data, flags, cleared_flags, recursive_set, recursive_clear, recursive_readonly_if_possible,
          propagation, copy_up, is_cgroup, descriptor, uid_mappings, gid_mappings, map_recursively);
    }
};

/// A device node to create. In a user namespace the host's node at `source` (empty: at `path`) is bound instead.
struct Device {
    std::string path;  ///< container path
    char type = 'c';   ///< 'c', 'b', 'p'
    uint32_t major = 0, minor = 0, mode = 0666, uid = 0, gid = 0;
    std::string source = {};  ///< host path
    template <class A>
    void visit(A& a) {
        a(path, type, major, minor, mode, uid, gid, source);
    }
};

struct Rlimit {
    int32_t resource = 0;  ///< RLIMIT_*
    uint64_t soft = 0, hard = 0;
    template <class A>
    void visit(A& a) {
        a(resource, soft, hard);
    }
};

/// Bit n stands for capability number n.
struct CapabilitySets {
    uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
    template <class A>
    void visit(A& a) {
        a(bounding, effective, permitted, inheritable, ambient);
    }
};

/// What sched_setattr(2) takes; only SCHED_DEADLINE reads the last three (nanoseconds).
struct Scheduler {
    int32_t policy = 0, nice = 0, priority = 0;
    uint64_t flags = 0, runtime = 0, deadline = 0, period = 0;
    template <class A>
    void visit(A& a) {
        a(policy, nice, priority, flags, runtime, deadline, period);
    }
};

/// What set_mempolicy(2) takes.
struct MemoryPolicy {
    int32_t mode = 0;  ///< MPOL_* with its mode flags
    std::vector<uint32_t> nodes;
    template <class A>
    void visit(A& a) {
        a(mode, nodes);
    }
};

/// Where the descriptor of a seccomp filter with SCMP_ACT_NOTIFY goes.
struct SeccompListener {
    std::string path;   ///< host path of a listening unix stream socket
    std::string state;  ///< the ContainerProcessState sent along, with "@STATUS@", "@PID@" (container) and "@PROCESS@" left open
    template <class A>
    void visit(A& a) {
        a(path, state);
    }
};

/// One process to execute inside the container: its init or an exec.
struct Process {
    std::vector<std::string> args, env;
    std::string cwd = "/";
    bool create_cwd = false;  ///< Docker makes a missing working directory (root-owned, 0755); OCI fails
    bool terminal = false;    ///< a pty of the container's own devpts becomes stdin, stdout, stderr and the controlling terminal
    uint16_t console_height = 0, console_width = 0;

    /// `USER` as Docker takes it ("", "app", "1000", "app:staff", "1000:1000"), resolved inside the root from /etc/passwd and
    /// /etc/group together with supplementary groups; HOME is set from it when env has none. Unset: the numbers below as they are.
    std::optional<std::string> user_name;
    std::vector<std::string> additional_group_names;  ///< --group-add: names or numbers, only with user_name
    uint32_t uid = 0, gid = 0;
    std::vector<uint32_t> additional_gids;
    std::optional<uint32_t> umask;

    CapabilitySets capabilities;  ///< for uid 0; a user other than 0 keeps only inheritable and ambient after the exec, as the kernel rules
    bool no_new_privileges = false;
    std::vector<Rlimit> rlimits;
    std::optional<int32_t> oom_score_adj;
    bool exact_limits = false;  ///< rlimits and an OOM score that the caller has no right to set are errors; else as far as possible
    std::string apparmor_profile, selinux_label;
    std::string seccomp_bpf;       ///< struct sock_filter[] bytes; empty: none
    uint32_t seccomp_flags = 0;    ///< SECCOMP_FILTER_FLAG_*
    std::optional<SeccompListener> seccomp_listener;
    std::optional<uint64_t> personality;
    std::optional<int32_t> io_priority;  ///< ioprio_set value
    std::optional<Scheduler> scheduler;
    std::optional<MemoryPolicy> memory_policy;
    /// Processors of an exec before and after it enters the container's cgroup; empty: as it comes. Spec: process.execCPUAffinity
    std::vector<uint32_t> first_processors, final_processors;
    bool new_session_keyring = true;

    template <class A>
    void visit(A& a) {
        a(args, env, cwd, create_cwd, terminal, console_height, console_width, user_name, additional_group_names, uid, gid,
          additional_gids, umask, capabilities, no_new_privileges, rlimits, oom_score_adj, exact_limits, apparmor_profile, selinux_label,
          seccomp_bpf, seccomp_flags, seccomp_listener, personality, io_priority, scheduler, memory_policy,
          first_processors, final_processors, new_session_keyring);
    }
};

/// The root file system: an overlay that is mounted inside the container's mount namespace only, or a directory.
struct Root {
    std::vector<std::string> overlay_lower;  ///< layer directories, top first; empty: `directory` is used as it is
    std::string overlay_upper, overlay_work;
    std::string directory;  ///< the bundle's root; for an overlay the (empty) directory it is mounted on
    bool readonly = false;
    Propagation propagation = Propagation::Unset;  ///< of the container's "/"; unset: rslave on the host side, as runc does rprivate
    bool no_pivot = false;
    /// With a user namespace that is joined: the host directory (root's own) that all overlay directories lie below. On disk everything belongs to the
    /// ids inside; the starter mounts the overlay so that they are the namespace's. Empty: the overlay is mounted as it is.
    std::string mapped_directory;
    template <class A>
    void visit(A& a) {
        a(overlay_lower, overlay_upper, overlay_work, directory, readonly, propagation, no_pivot, mapped_directory);
    }
};

struct Hook {
    std::string path;
    std::vector<std::string> args, env;
    int32_t timeout_seconds = 0;  ///< 0: none
    template <class A>
    void visit(A& a) {
        a(path, args, env, timeout_seconds);
    }
};

struct TimeOffset {
    int32_t clock = 0;  ///< CLOCK_MONOTONIC or CLOCK_BOOTTIME
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;
    template <class A>
    void visit(A& a) {
        a(clock, seconds, nanoseconds);
    }
};

struct Plan {
    uint32_t version = kPlanVersion;
    std::string container_id;
    std::vector<Namespace> namespaces;
    std::vector<IdMapping> uid_mappings, gid_mappings;  ///< of the user namespace, a new one or the one that is joined
    std::vector<TimeOffset> time_offsets;
    std::string hostname, domainname;
    Root root;
    std::vector<Mount> mounts;
    std::vector<Device> devices;
    std::vector<std::string> masked_paths, readonly_paths;
    std::vector<cgroup::NameValue> sysctls;
    std::string cgroup_path;  ///< below every hierarchy's mount point, e.g. "/proa/<id>"; empty: stay in the parent's cgroup
    cgroup::Scope cgroup_scope;  ///< with the systemd driver: the unit that `cgroup_path` belongs to, started before the init
    cgroup::Limits limits;
    std::string init_path;  ///< `--init`: this host binary (static) is bound to /sbin/docker-init and runs args behind it; empty: none
    Process process;
    std::vector<Hook> prestart_hooks, create_runtime_hooks, create_container_hooks, start_container_hooks, poststart_hooks, poststop_hooks;
    std::string hook_state;  ///< the state JSON that hooks get on stdin, with "@STATUS@" and "@PID@" left open

    template <class A>
    void visit(A& a) {
        a(version, container_id, namespaces, uid_mappings, gid_mappings, time_offsets, hostname, domainname, root, mounts, devices,
          masked_paths, readonly_paths, sysctls, cgroup_path, cgroup_scope, limits, init_path, process, prestart_hooks, create_runtime_hooks,
          create_container_hooks, start_container_hooks, poststart_hooks, poststop_hooks, hook_state);
    }
};

/// A further process in a running container.
struct ExecPlan {
    uint32_t version = kPlanVersion;
    std::string container_id;
    int32_t init_pid = 0;           ///< whose namespaces are joined (all that differ from the caller's)
    std::string cgroup_path;        ///< empty: stay
    std::string init_cgroup_path;   ///< the cgroup2 group when it is another one than cgroup_path; empty: cgroup_path itself
    std::vector<cgroup::NameValue> cgroup_overrides;  ///< v1 controller and the group to enter in its hierarchy instead of cgroup_path
    Process process;
    template <class A>
    void visit(A& a) {
        a(version, container_id, init_pid, cgroup_path, init_cgroup_path, cgroup_overrides, process);
    }
};

}  // namespace proa::runtime
