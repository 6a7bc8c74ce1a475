#pragma once
#include <map>
#include <string>
#include <sys/types.h>

#include "os/links.h"

namespace proa::network {

/// The counters of each interface but lo, as the container sees them, by the name inside ("eth0"); for `docker stats`.
using InterfaceStatistics = std::map<std::string, os::LinkStatistics>;

/// Of the network namespace of a process, from /proc/PID/net/dev: no namespace is entered. NotFound when it has ended.
Result<InterfaceStatistics> read_interface_statistics(pid_t pid);
/// Of a namespace by its descriptor; costs a short-lived thread.
Result<InterfaceStatistics> read_interface_statistics_inside(int namespace_descriptor);

/// The text of /proc/net/dev. man: proc(5)
InterfaceStatistics parse_interface_statistics(std::string_view text);

}  // namespace proa::network
