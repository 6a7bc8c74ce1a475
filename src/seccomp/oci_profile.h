#pragma once
#include "codec/json/value.h"
#include "seccomp/profile.h"

namespace proa::seccomp {

/// config.json's linux.seccomp for a process whose bounding set is `capabilities` (bit n: capability n): conditions are resolved for
/// it and for this machine, as compile() does. Spec: config-linux.md, seccomp.
json::Value oci_profile(const Profile& profile, uint64_t capabilities);

}  // namespace proa::seccomp
