#include "network/port_allocator.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "network/namespace.h"
#include "os/file.h"

namespace proa::network {

namespace {
constexpr uint16_t kEphemeralFirst = 32768, kEphemeralLast = 60999;  // the kernel's default
constexpr size_t kSocketTableBytesMax = 64 << 20;

std::string side_text(const os::IpAddress& ip, uint16_t port) {
    return ip.is_v6() ? concat('[', ip.text(), "]:", port) : concat(ip.text(), ':', port);
}

Error bind_error(Protocol protocol, const os::IpAddress& ip, uint16_t port, int number) {
    // Go's wording of errors is lower case.
    const char* text = strerrordesc_np(number);
    std::string message = concat("failed to bind host port ", side_text(ip, port), '/', protocol_name(protocol), ": ",
                                 to_lower(text ? text : "unknown error"));
    if (number == EADDRINUSE)
        if (auto holder = port_holder(protocol, port)) message += concat(" (held by ", *holder, ')');
    return Error(ErrorKind::Internal, std::move(message), number);
}

/// A socket that keeps everybody else from the port.
Result<os::Fd> bind_port(Protocol protocol, const os::IpAddress& ip, uint16_t port) {
    const int type = protocol == Protocol::Udp ? SOCK_DGRAM : SOCK_STREAM;
    os::Fd socket(::socket(ip.family(), type | SOCK_CLOEXEC | SOCK_NONBLOCK, static_cast<int>(protocol)));
    if (!socket) {
        // Without SCTP in the kernel nobody else can bind the port either; forwarding needs no socket.
        if (protocol == Protocol::Sctp && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) return os::Fd();
        return fail(bind_error(protocol, ip, port, errno));
    }
    int on = 1;
    if (ip.is_v6()) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // Connections in TIME_WAIT must not delay a restart. A listening socket excludes others in spite of it.
    if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_storage address;
    socklen_t size = ip.to_socket_address(port, address);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 ||
        (type == SOCK_STREAM && ::listen(socket.get(), SOMAXCONN) < 0))
        return fail(bind_error(protocol, ip, port, errno));
    return socket;
}

std::pair<uint16_t, uint16_t> ephemeral_range() {
    auto text = read_sysctl("net.ipv4.ip_local_port_range");
    if (!text) return {kEphemeralFirst, kEphemeralLast};
    auto fields = split_fields(*text);
    auto first = fields.size() == 2 ? parse_uint(fields[0]) : std::nullopt;
    auto last = fields.size() == 2 ? parse_uint(fields[1]) : std::nullopt;
    if (!first || !last || *first == 0 || *first > *last || *last > 65535) return {kEphemeralFirst, kEphemeralLast};
    return {static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

bool has_no_ipv6(int number) { return number == EAFNOSUPPORT || number == EADDRNOTAVAIL; }
}  // namespace

std::optional<uint16_t> PortAllocator::first_allocated(Protocol protocol, const os::IpAddress& ip, uint16_t first, uint16_t last) const {
    std::optional<uint16_t> found;
    for (auto& [side, ranges] : allocated_) {
        auto& other = side.second;
        if (side.first != protocol || other.family() != ip.family()) continue;
        if (other != ip && !other.is_unspecified() && !ip.is_unspecified()) continue;
        auto range = ranges.upper_bound(first);
        if (range != ranges.begin() && std::prev(range)->second >= first) return first;
        if (range != ranges.end() && range->first <= last && (!found || range->first < *found)) found = range->first;
    }
    return found;
}

void PortAllocator::cut_out(Ranges& ranges, uint16_t first, uint16_t last) {
    while (true) {
        auto range = ranges.upper_bound(last);
        if (range == ranges.begin()) return;
        range--;
        auto [range_first, range_last] = *range;
        if (range_last < first) return;
        ranges.erase(range);
        if (range_first < first) ranges[range_first] = static_cast<uint16_t>(first - 1);
        if (range_last > last) ranges[static_cast<uint16_t>(last + 1)] = range_last;
    }
}

BusyPorts BusyPorts::read() {
    BusyPorts busy;
    for (Protocol protocol : {Protocol::Tcp, Protocol::Udp})
        for (bool v6 : {false, true}) {
            auto table = os::read_file(concat("/proc/thread-self/net/", protocol_name(protocol), v6 ? "6" : ""), kSocketTableBytesMax);
            if (!table) continue;
            for (auto& line : split(*table, '\n')) {
                auto fields = split_fields(line);
                constexpr size_t kLocal = 1, kState = 3;
                if (fields.size() <= kState) continue;
                // Connections do not keep a port from being bound, listeners (0A) and bound datagram sockets (07) do.
                if (fields[kState] != (protocol == Protocol::Tcp ? "0A" : "07")) continue;
                auto sides = cut(fields[kLocal], ":");
                auto port = sides ? parse_uint(sides->second, 16) : std::nullopt;
                if (port) busy.ports_.insert({protocol, static_cast<uint16_t>(*port)});
            }
        }
    return busy;
}

std::vector<uint16_t> BusyPorts::within(Protocol protocol, uint16_t first, uint16_t last) const {
    std::vector<uint16_t> ports;
    for (auto port = ports_.lower_bound({protocol, first}); port != ports_.end() && *port <= std::pair(protocol, last); port++) ports.push_back(port->second);
    return ports;
}

namespace {
/// Whether ports could be bound, without keeping them: of a range only those that somebody has, and the first for the address itself.
Result<void> probe_ports(Protocol protocol, const os::IpAddress& ip, uint16_t first, uint16_t last, const BusyPorts& busy) {
    TRY(bind_port(protocol, ip, first));
    for (uint16_t port : busy.within(protocol, first, last)) TRY(bind_port(protocol, ip, port));
    return {};
}
}  // namespace

Result<std::vector<ReservedPort>> PortAllocator::try_port(const PortRequest& request, uint16_t port, const BusyPorts* busy) {
    std::vector<os::IpAddress> addresses;
    if (request.host_ip) addresses = {*request.host_ip};
    else addresses = {os::IpAddress::any4(), os::IpAddress::any6()};
    std::vector<ReservedPort> reserved;
    const auto last = static_cast<uint16_t>(port + request.count - 1);
    for (auto& ip : addresses) {
        if (auto taken = first_allocated(request.protocol, ip, port, last))
            return fail(ErrorKind::Internal, concat("Bind for ", ip.text(), ':', *taken, " failed: port is already allocated"), EADDRINUSE);
        auto bind = [&]() -> Result<os::Fd> {
            if (!busy) return bind_port(request.protocol, ip, port);
            TRY(probe_ports(request.protocol, ip, port, last, *busy));
            return os::Fd();
        };
        auto socket = bind();
        if (!socket && !request.host_ip && ip.is_v6() && has_no_ipv6(socket.error().number())) continue;
        if (!socket) return fail(std::move(socket).error());
        reserved.push_back({request.protocol, ip, port, request.container_port, request.count, std::move(*socket)});
    }
    for (auto& one : reserved) allocated_[{one.protocol, one.host_ip}][port] = last;
    return reserved;
}

Result<std::vector<ReservedPort>> PortAllocator::try_ephemeral(const PortRequest& request, const BusyPorts* busy) {
    auto [first, last] = ephemeral_range();
    const uint32_t count = static_cast<uint32_t>(last - first) + 1;
    uint16_t& previous = previous_[request.protocol];
    uint32_t start = previous >= first && previous < last ? static_cast<uint32_t>(previous - first) + 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t port = static_cast<uint16_t>(first + (start + i) % count);
        auto reserved = try_port(request, port, busy);
        if (!reserved && reserved.error().number() == EADDRINUSE) continue;
        if (reserved) previous = port;
        return reserved;
    }
    return fail(ErrorKind::Internal, "all ports are allocated", EADDRINUSE);
}

Result<std::vector<ReservedPort>> PortAllocator::reserve(const PortRequest& request, const BusyPorts* busy) {
    std::lock_guard lock(mutex_);
    if (request.count > 1) {
        if (!busy || request.first == 0 || request.first + request.count - 1 > 65535)
            return fail(ErrorKind::InvalidArgument, concat("invalid port range: ", request.count, " from ", request.first, " on"));
        return try_port(request, request.first, busy);
    }
    if (request.first == 0) return try_ephemeral(request, busy);
    if (request.last != 0 && request.last < request.first)
        return fail(ErrorKind::InvalidArgument, concat("invalid port range ", request.first, '-', request.last));
    if (request.last == 0 || request.last == request.first) return try_port(request, request.first, busy);
    for (uint32_t port = request.first; port <= request.last; port++) {
        auto reserved = try_port(request, static_cast<uint16_t>(port), busy);
        if (reserved || reserved.error().number() != EADDRINUSE) return reserved;
    }
    return fail(ErrorKind::Internal, "all ports are allocated", EADDRINUSE);
}

void PortAllocator::restore(Protocol protocol, const os::IpAddress& host_ip, uint16_t host_port, uint16_t count) {
    std::lock_guard lock(mutex_);
    auto& ranges = allocated_[{protocol, host_ip}];
    const auto last = static_cast<uint16_t>(host_port + count - 1);
    cut_out(ranges, host_port, last);
    ranges[host_port] = last;
}

void PortAllocator::release(Protocol protocol, const os::IpAddress& host_ip, uint16_t host_port, uint16_t count) {
    std::lock_guard lock(mutex_);
    auto ranges = allocated_.find({protocol, host_ip});
    if (ranges == allocated_.end()) return;
    cut_out(ranges->second, host_port, static_cast<uint16_t>(host_port + count - 1));
    if (ranges->second.empty()) allocated_.erase(ranges);
}

namespace {
/// Inodes of the sockets that are bound to `port`, from /proc/net/{tcp,udp}[6]. man: proc(5)
std::set<std::string> inodes_of_port(Protocol protocol, uint16_t port) {
    std::set<std::string> inodes;
    for (const char* family : {"", "6"}) {
        auto table = os::read_file(concat("/proc/thread-self/net/", protocol_name(protocol), family), kSocketTableBytesMax);
        if (!table) continue;
        for (auto& line : split(*table, '\n')) {
            auto fields = split_fields(line);
            constexpr size_t kLocal = 1, kInode = 9;
            if (fields.size() <= kInode) continue;
            auto sides = cut(fields[kLocal], ":");
            if (sides && parse_uint(sides->second, 16) == port) inodes.insert(concat("socket:[", fields[kInode], ']'));
        }
    }
    inodes.erase("socket:[0]");  // connections without an owner any more
    return inodes;
}
}  // namespace

std::optional<std::string> port_holder(Protocol protocol, uint16_t port) {
    auto inodes = inodes_of_port(protocol, port);
    auto processes = os::list_directory("/proc");
    if (inodes.empty() || !processes) return std::nullopt;
    for (auto& pid : *processes) {
        if (!parse_uint(pid)) continue;
        auto descriptors = os::list_directory(concat("/proc/", pid, "/fd"));
        if (!descriptors) continue;
        for (auto& descriptor : *descriptors) {
            auto target = os::read_link(concat("/proc/", pid, "/fd/", descriptor));
            if (!target || !inodes.contains(*target)) continue;
            auto name = os::read_file(concat("/proc/", pid, "/comm"), 4096);
            return concat(name ? trim(*name) : std::string_view("?"), ", process ", pid);
        }
    }
    return std::nullopt;
}

}  // namespace proa::network
