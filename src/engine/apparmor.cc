#include "engine/apparmor.h"

#include <sys/stat.h>

#include <cstdlib>

#include "engine/security_options.h"
#include "os/command.h"
#include "os/file.h"

namespace proa::engine {

namespace {
constexpr const char* kParsers[] = {"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"};
constexpr const char* kKernel = "/sys/kernel/security/apparmor";

/// Absolute and root's own: a helper is never looked up in PATH.
std::string find_parser() {
    for (auto* path : kParsers) {
        auto status = os::status(path);
        if (status && S_ISREG(status->st_mode) && status->st_uid == 0 && !(status->st_mode & (S_IWGRP | S_IWOTH))) return path;
    }
    return "";
}

/// Lines "name (mode)".
bool is_loaded(std::string_view name) {
    std::string text = os::read_file(concat(std::string_view(kKernel), "/profiles"), 4 << 20).value_or("");
    std::string line = concat(name, " (");
    return text.starts_with(line) || text.find("\n" + line) != std::string::npos;
}

/// "proad (enforce)" is the label proad; unconfined is nothing special.
std::string own_label() {
    std::string text = os::read_file("/proc/self/attr/apparmor/current", 4096).value_or("");
    auto pair = cut(trim(text), " (");
    return pair ? std::string(pair->first) : "";
}

/// What stands under /proc and must not be written. kernel/shm* is the container's own (its ipc namespace), net is guarded by capabilities.
constexpr std::string_view kRules = R"(
    network,
    capability,
    file,
    umount,
    # Its own processes, and whoever starts and stops it.
    signal (send, receive) peer=@NAME@,
    signal (receive) peer=unconfined,
@DAEMON@    ptrace (trace, read, tracedby, readby) peer=@NAME@,
    deny mount,
    # Top-level files of /proc and every directory but those of processes and sys.
    deny /proc/* w,
    deny /proc/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
    # Of /proc/sys only kernel/shm*, and net.
    deny /proc/sys/[^kn]** w,
    deny /proc/sys/kernel/{?,??,[^s][^h][^m]**} w,
    deny /proc/sysrq-trigger rwklx,
    deny /proc/kcore rwklx,
    deny /proc/kmem rwklx,
    deny /proc/mem rwklx,
    # Of /sys only control groups.
    deny /sys/[^f]*/** wklx,
    deny /sys/f[^s]*/** wklx,
    deny /sys/fs/[^c]*/** wklx,
    deny /sys/fs/c[^g]*/** wklx,
    deny /sys/fs/cg[^r]*/** wklx,
    deny /sys/firmware/** rwklx,
    deny /sys/devices/virtual/powercap/** rwklx,
    deny /sys/kernel/security/** rwklx,
)";
}  // namespace

bool has_apparmor() {
    if (const char* container = ::getenv("container"); container && *container) return false;  // the host's profiles are not ours to change
    return os::is_directory(kKernel) && os::read_file("/sys/module/apparmor/parameters/enabled", 16).value_or("").starts_with('Y') && !find_parser().empty();
}

std::string default_apparmor_profile(std::string_view daemon_label) {
    std::string daemon = daemon_label.empty() ? "" : concat("    signal (receive) peer=", daemon_label, ",\n");
    std::string rules = replace_all(replace_all(kRules, "@NAME@", kDefaultAppArmorProfile), "@DAEMON@", daemon);
    return concat("# Made by proad at its start.\nprofile ", kDefaultAppArmorProfile, " flags=(attach_disconnected,mediate_deleted) {", rules, "}\n");
}

Result<void> load_default_apparmor_profile(const Paths& paths) {
    if (!has_apparmor()) return {};
    std::string text = default_apparmor_profile(own_label()), file = paths.exec_root + "/apparmor-" + std::string(kDefaultAppArmorProfile);
    if (is_loaded(kDefaultAppArmorProfile) && os::read_file(file, 1 << 20).value_or("") == text) return {};
    auto load = [&]() -> Result<void> {
        TRY(os::replace_file(file, text, 0600, false));
        auto done = TRY(os::run_command({find_parser(), "--skip-cache", "--replace", file}));
        if (done.exit_code == 0) return {};
        (void)os::remove_file(file);
        return fail(ErrorKind::Internal, concat("running apparmor_parser failed with output: ", trim(done.error.empty() ? done.output : done.error)));
    };
    TRY_WRAP(concat("AppArmor enabled on system but the ", kDefaultAppArmorProfile, " profile could not be loaded"), load());
    return {};
}

Result<std::string> apparmor_profile_of(const Paths& paths, const docker::HostConfig& host) {
    if (!has_apparmor()) return "";
    auto security = TRY(parse_security_options(host));
    if (host.privileged) return "unconfined";
    if (!security.apparmor_profile.empty()) return security.apparmor_profile;
    if (!is_loaded(kDefaultAppArmorProfile)) TRY(load_default_apparmor_profile(paths));
    return std::string(kDefaultAppArmorProfile);
}

Result<void> check_apparmor_option(const docker::HostConfig& host) {
    auto security = TRY(parse_security_options(host));
    if (security.apparmor_profile.empty() || security.apparmor_profile == "unconfined" || has_apparmor()) return {};
    return fail(ErrorKind::InvalidArgument, concat("the AppArmor profile ", quote(security.apparmor_profile),
                                                   " cannot be applied: this host has no AppArmor (or no apparmor_parser)"));
}

}  // namespace proa::engine
