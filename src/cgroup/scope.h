#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "cgroup/limits.h"
#include "os/dbus.h"

// The systemd driver: a container's cgroup as a transient scope of the host's service manager, so that the one who owns the tree of version 2
// knows of it. The cgroup is used as any other once it stands.
namespace proa::cgroup {

/// Whether this host's first process is systemd and its cgroups are those of version 2 alone. Else the error says what is missing. man: sd_booted(3)
Result<void> check_systemd();

/// The cgroup of the service manager of the user who calls, who has delegated it to that user: "/user.slice/user-1000.slice/user@1000.service".
/// man: user@.service(5)
Result<std::string> group_of_user_manager();
/// Whether a cgroup belongs to a user's service manager, which is then the one to ask about its unit.
bool is_of_user_manager(std::string_view path);

/// "slice:prefix:name"; an empty slice is `default_slice`, an empty prefix leaves it out. Errors: InvalidArgument.
Result<Scope> parse_scope(std::string_view cgroups_path, std::string_view default_slice = "system.slice");
/// "a-b.slice" is the path "/a.slice/a-b.slice", "-.slice" is "". Errors: InvalidArgument for what is no slice's name. man: systemd.slice(5)
Result<std::string> path_of_slice(std::string_view slice);
Result<std::string> path_of_scope(const Scope& scope);

/// Makes the scope, whose cgroup is to be `path`, with `first` as its only process so far: systemd ends a scope when it is empty. A scope of that
/// name that has only failed or is about to end makes room. Returns when the cgroup stands. man: org.freedesktop.systemd1(5)
Result<void> start_scope(const Scope& scope, const std::string& path, pid_t first, std::string_view description);
/// Has systemd move a process into the cgroup `path`, which is that of a scope or lies below it: what a plain user may not do who comes from
/// a group of another owner, such as a login session's.
Result<void> attach_by_systemd(const std::string& path, pid_t pid);
/// Ends the unit whose cgroup is `path`, when there is one: systemd may have missed that it is empty (the kernel's notice of that is lost when the
/// directory goes away at once). Another unit that only has the directory's name is left alone.
Result<void> stop_scope_at(const std::string& path);
/// Tells systemd the limits of the scope whose cgroup is `path`; it would otherwise put its own back at the next reload. They are not yet written
/// when this returns, and those that systemd does not know are left out: apply them to the cgroup as well.
Result<void> set_scope_limits(const std::string& path, const Limits& limits);
/// The properties of a unit that mean these limits.
std::vector<os::dbus::Property> scope_properties(const Limits& limits);

}  // namespace proa::cgroup
