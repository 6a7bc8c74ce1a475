#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "codec/json/value.h"

// Private to bundle/: linux.intelRdt by the kernel's resctrl file system. Spec: config-linux.md, IntelRdt; kernel: arch/x86/resctrl.rst
namespace proa::bundle {

/// What a container's state remembers of it. All paths are absolute.
struct ResourceClass {
    std::string directory;  ///< its class of service, "" when the configuration asks for none
    std::string monitor;    ///< its monitoring group
    bool made = false;      ///< the directory is ours and goes with the container
};

bool has_resctrl();

/// Checks the object against what the kernel has now; changes nothing. Errors: InvalidArgument, Unsupported (nothing is mounted there),
/// NotFound (a class that must exist), Conflict (a class that exists with another schema).
Result<ResourceClass> resource_class_of(const json::Value& rdt, const std::string& container_id);
/// Makes what is missing, writes the schema, and moves the calling process there, whose children follow.
Result<void> enter_resource_class(const ResourceClass& wanted, const json::Value& rdt);
/// Moves the calling process to where the container is.
Result<void> join_resource_class(const ResourceClass& there);
/// `update`: another schema for a running container's class.
Result<void> change_schema(const ResourceClass& there, const std::string& l3_cache, const std::string& memory_bandwidth);
Result<void> remove_resource_class(const ResourceClass& made);

}  // namespace proa::bundle
