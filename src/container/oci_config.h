#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json/value.h"
#include "runtime/identity.h"
#include "runtime/plan.h"

// A plan in the words of the OCI runtime specification, for a container that another runtime (runc, crun) runs.
namespace proa::container {

/// What the specification's text needs beside the plan.
struct OciFacts {
    std::string root_path;                      ///< where the root file system is mounted when the runtime works
    runtime::Identity identity;                 ///< the plan's user in numbers
    json::Value seccomp;                        ///< linux.seccomp; null: none
    std::string mount_prefix;                   ///< a mount whose source is a descriptor finds it at this path with its index behind
    std::vector<std::string> descriptor_paths;  ///< a path for each descriptor that the plan counts, valid while the runtime creates
};

/// config.json, version 1.0.2. Spec: config.md, config-linux.md.
/// Errors: Unsupported for what the plan says and another runtime cannot be told; it is named.
Result<std::string> oci_config(const runtime::Plan& plan, const OciFacts& facts);

/// The process file of `exec --process`: config.json's `process`. Errors: as oci_config().
Result<std::string> oci_process(const runtime::Process& process, const runtime::Identity& identity);

}  // namespace proa::container
