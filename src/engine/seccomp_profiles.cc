#include "engine/seccomp_profiles.h"

namespace proa::engine {

Result<std::string> SeccompProfiles::filter(const std::string& profile, const runtime::CapabilitySets& capabilities) {
    (void)profile;
    (void)capabilities;
    return std::string();
}

}  // namespace proa::engine
