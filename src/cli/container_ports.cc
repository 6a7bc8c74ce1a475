#include "cli/container_ports.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "base/text.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
struct Port {
    std::string address, protocol;
    int64_t inside = 0, outside = 0;
};

std::string host_port(const std::string& address, std::string_view port) {
    return address.find(':') != std::string::npos ? concat('[', address, "]:", port) : concat(address, ':', port);
}

std::string range_text(const std::string& group, int64_t first, int64_t last) {
    std::string numbers = first == last ? concat(first) : concat(first, '-', last);
    auto slash = group.rfind('/');
    std::string address = slash == std::string::npos ? "" : group.substr(0, slash), protocol = group.substr(slash == std::string::npos ? 0 : slash + 1);
    if (!address.empty()) numbers = concat(host_port(address, numbers), "->", numbers);
    return concat(numbers, '/', protocol);
}

/// By private port, address (IPv4 before IPv6), public port, protocol.
bool before(const Port& a, const Port& b) {
    if (a.inside != b.inside) return a.inside < b.inside;
    if (a.address != b.address) {
        auto x = os::IpAddress::parse(a.address), y = os::IpAddress::parse(b.address);
        if (!x || !y) return a.address < b.address;
        if (x->is_v4() != y->is_v4()) return x->is_v4();
        return *x < *y;
    }
    if (a.outside != b.outside) return a.outside < b.outside;
    return a.protocol < b.protocol;
}
}  // namespace

std::string ports_text(const json::Value& value) {
    std::vector<Port> ports;
    for (auto& entry : value.as_array())
        ports.push_back({entry["IP"].as_string(), entry["Type"].as_string(), entry["PrivatePort"].as_int(), entry["PublicPort"].as_int()});
    std::stable_sort(ports.begin(), ports.end(), before);
    struct Range {
        int64_t first = 0, last = 0;
    };
    std::map<std::string, Range> open;
    std::vector<std::string> order, merged, mapped;
    for (auto& port : ports) {
        std::string group = port.protocol;
        if (!port.address.empty()) {
            if (port.outside != port.inside) {
                mapped.push_back(concat(host_port(port.address, concat(port.outside)), "->", port.inside, '/', port.protocol));
                continue;
            }
            group = concat(port.address, '/', port.protocol);
        }
        auto found = open.find(group);
        if (found == open.end()) {
            open[group] = {port.inside, port.inside};
            order.push_back(group);
        } else if (port.inside == found->second.last + 1) {
            found->second.last = port.inside;
        } else if (port.inside != found->second.last) {
            merged.push_back(range_text(group, found->second.first, found->second.last));
            found->second = {port.inside, port.inside};
        }
    }
    for (auto& group : order) merged.push_back(range_text(group, open[group].first, open[group].last));
    merged.insert(merged.end(), mapped.begin(), mapped.end());
    return join(merged, ", ");
}

}  // namespace proa::cli
