#pragma once
#include <string>

#include "engine/paths.h"
#include "schema/docker/container.h"

namespace proa::engine {

inline constexpr std::string_view kDefaultAppArmorProfile = "proa-default";

/// Whether containers are confined here: the kernel has AppArmor and shows it, and there is an apparmor_parser to load profiles with.
/// Without one of them containers run without a profile, as with Docker.
bool has_apparmor();

/// The text of the default profile: everything but what a container could reach the host with (mounts, kernel settings by /proc and /sys,
/// tracing and signalling others). `daemon_label`: whom the container takes signals from beside the unconfined.
std::string default_apparmor_profile(std::string_view daemon_label);
/// Loads the default profile unless that very text is loaded already; runs apparmor_parser, so it belongs to the boot. Nothing without AppArmor.
Result<void> load_default_apparmor_profile(const Paths& paths);

/// The profile of a start: "" without AppArmor, else "unconfined" or a name. The default one is loaded again should somebody have unloaded it.
/// Errors: Internal when it cannot be loaded.
Result<std::string> apparmor_profile_of(const Paths& paths, const docker::HostConfig& host);
/// Errors: InvalidArgument when the options name a profile and this host has no AppArmor to apply it.
Result<void> check_apparmor_option(const docker::HostConfig& host);

}  // namespace proa::engine
