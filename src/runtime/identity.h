#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "os/path_in_root.h"
#include "runtime/plan.h"

namespace proa::runtime {

/// Who a process is once it runs.
struct Identity {
    uint32_t uid = 0, gid = 0;
    std::vector<gid_t> groups;  ///< supplementary, the primary group first when a user name was resolved
    std::string home = "/";     ///< from the passwd file, "/" when it does not say
};

/// Resolves `process.user_name` and `additional_group_names` by /etc/passwd and /etc/group of `root`, as Docker does: digits only are
/// a number (0 .. 2^32-2), an explicit group leaves out the user's supplementary ones. Without user_name the numbers are taken as they
/// are and only `home` is looked up. The files must be regular, at most 1 MiB, with lines of at most 64 KiB (C13).
/// Errors: NotFound `unable to find user x: no matching entries in passwd file` and `unable to find group x: no matching entries in
/// group file`, InvalidArgument for a number out of range or an unfit file.
Result<Identity> resolve_identity(const Process& process, const os::RootDirectory& root);

}  // namespace proa::runtime
