#include "engine/security_options.h"

#include "base/text.h"

namespace proa::engine {

Result<SecurityOptions> parse_security_options(const docker::HostConfig& host) {
    SecurityOptions parsed;
    for (auto& option : host.security_opt.value_or(std::vector<std::string>())) {
        if (option == "no-new-privileges") {
            parsed.no_new_privileges = true;
            continue;
        }
        auto parts = cut(option, "=");
        if (!parts) parts = cut(option, ":");
        if (!parts) return fail(ErrorKind::InvalidArgument, concat("invalid --security-opt 1: ", quote(option)));
        auto [name, value] = *parts;
        if (name == "no-new-privileges") {
            parsed.no_new_privileges = parse_bool(value);
            if (!parsed.no_new_privileges) return fail(ErrorKind::InvalidArgument, concat("invalid --security-opt 2: ", quote(option)));
        } else if (name == "seccomp") {
            parsed.seccomp_profile = value;
        } else if (name == "apparmor") {
            parsed.apparmor_profile = value;
        } else if (name == "label") {
            if (value != "disable") return fail(ErrorKind::Unsupported, concat("security option label=", value, ": SELinux labels are not supported yet by this engine"));
        } else if (name == "writable-cgroups") {
            return fail(ErrorKind::Unsupported, "security option writable-cgroups is not supported yet by this engine");
        } else {
            return fail(ErrorKind::InvalidArgument, concat("invalid --security-opt 2: ", quote(option)));
        }
    }
    return parsed;
}

}  // namespace proa::engine
