#include "network/statistics.h"

#include <linux/netlink.h>

#include "base/text.h"
#include "network/namespace.h"
#include "os/file.h"

namespace proa::network {

InterfaceStatistics parse_interface_statistics(std::string_view text) {
    InterfaceStatistics all;
    for (auto& line : split(text, '\n')) {
        auto sides = cut(line, ":");
        if (!sides) continue;  // the two heading lines
        std::string name(trim(sides->first));
        auto fields = split_fields(sides->second);
        if (name == "lo" || fields.size() < 16) continue;
        auto number = [&](size_t column) { return parse_uint(fields[column]).value_or(0); };
        all[name] = {number(0), number(1), number(2), number(3), number(8), number(9), number(10), number(11)};
    }
    return all;
}

Result<InterfaceStatistics> read_interface_statistics(pid_t pid) {
    return parse_interface_statistics(TRY(os::read_file(concat("/proc/", pid, "/net/dev"))));
}

Result<InterfaceStatistics> read_interface_statistics_inside(int namespace_descriptor) {
    auto inside = TRY(open_netlink_inside(namespace_descriptor, NETLINK_ROUTE));
    InterfaceStatistics all;
    for (auto& link : TRY(os::list_links(inside)))
        if (link.name != "lo") all[link.name] = link.statistics;
    return all;
}

}  // namespace proa::network
