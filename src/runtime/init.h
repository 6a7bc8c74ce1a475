#pragma once
#include "runtime/channel.h"
#include "runtime/launch.h"
#include "runtime/root_builder.h"

// Private to runtime/: what runs in the forked processes.
namespace proa::runtime {

struct InitContext {
    const Plan& plan;
    const Streams& streams;
    const MountSources& sources;
    int channel = -1;
    bool gate = false;            ///< create(): wait before the exec
    bool pause_prepared = false;  ///< say Prepared and wait
    bool in_cgroup = false;       ///< the v1 groups are already those of the plan
    bool joined = false;          ///< a helper has joined the namespaces that are not new
};

/// CLONE_NEW* of the plan's new namespaces.
uint64_t new_namespace_flags(const Plan& plan);
uint64_t clone_flag(NamespaceType type);
const Namespace* find_namespace(const Plan& plan, NamespaceType type);
inline bool is_joined(const Namespace& space) { return !space.path.empty() || space.descriptor >= 0; }
/// The namespace that is to be joined. Errors: InvalidArgument for a descriptor that was not handed over.
Result<os::Fd> open_namespace(const Namespace& space, const Streams& streams);
/// Joins what the plan says, user namespace last.
Result<void> join_namespaces(const Plan& plan, const Streams& streams);

/// The life of an init from clone to exec. Never returns.
[[noreturn]] void run_init(const InitContext& context);

}  // namespace proa::runtime
