#include <grp.h>

#include "base/text.h"
#include "engine/settings.h"
#include "os/ip_address.h"

namespace proa::engine {

namespace {

constexpr uint16_t kPlainPort = 2375, kTlsPort = 2376;

Result<Listener> parse_tcp(std::string_view host, std::string_view address, bool tls) {
    auto bad = [&](std::string_view why) { return fail(ErrorKind::InvalidArgument, concat("invalid bind address (", host, "): ", why)); };
    if (address.find('/') != address.npos) return bad("should not contain a path element");
    Listener listener;
    listener.kind = Listener::Kind::Tcp;
    std::string_view name = address, port;
    size_t colon = address.rfind(':');
    if (address.starts_with('[')) {
        size_t end = address.find(']');
        if (end == address.npos) return bad(concat("parse ", quote(concat("tcp://", address)), ": missing ']' in host"));
        name = address.substr(1, end - 1);
        port = address.substr(end + 1);
        if (!port.empty() && port[0] != ':') return bad(concat("parse ", quote(concat("tcp://", address)), ": invalid port ", quote(port), " after host"));
        port = port.substr(port.empty() ? 0 : 1);
    } else if (colon != address.npos) {
        name = address.substr(0, colon);
        port = address.substr(colon + 1);
        if (!port.empty() && !parse_uint(port)) return bad(concat("parse ", quote(concat("tcp://", address)), ": invalid port ", quote(address.substr(colon)), " after host"));
    }
    auto number = port.empty() ? std::optional<uint64_t>(tls ? kTlsPort : kPlainPort) : parse_uint(port);
    if (!number || *number == 0 || *number > 65535) return bad(concat("invalid port: ", port));
    listener.port = static_cast<uint16_t>(*number);
    listener.address = name.empty() || name == "localhost" ? "127.0.0.1" : std::string(name);
    if (!os::IpAddress::parse(listener.address)) return bad("host names are not supported yet by proad: use a numeric address");
    return listener;
}

}  // namespace

Result<Listener> parse_listener(std::string_view host, bool tls, std::string_view default_path) {
    host = trim(host);
    auto bad = [&](std::string_view why) { return fail(ErrorKind::InvalidArgument, concat("invalid bind address (", host, "): ", why)); };
    Listener listener;
    if (host.empty()) {
        listener.path = default_path;
        return listener;
    }
    auto parts = cut(host, "://");
    std::string_view scheme = parts ? parts->first : "tcp", rest = parts ? parts->second : host;
    if (scheme == "tcp") return parse_tcp(host, rest, tls);
    if (scheme == "unix") {
        if (rest.find("://") != rest.npos) return bad(concat("invalid unix address: ", rest));
        listener.path = rest.empty() ? default_path : rest;
        if (!listener.path.starts_with('/')) return bad("the socket needs an absolute path");
        return listener;
    }
    if (scheme == "fd") {
        listener.kind = Listener::Kind::Activated;
        if (rest.empty() || rest == "*") return listener;
        auto number = parse_uint(rest);
        if (!number || *number < 3 || *number > 1 << 20) return bad("file descriptors are numbers from 3");
        listener.fd = static_cast<int>(*number);
        return listener;
    }
    if (scheme == "npipe") return bad("named pipes exist only on Windows");
    return bad(concat("unsupported proto '", scheme, "'"));
}

Result<std::optional<uint32_t>> socket_group(Settings& settings) {
    if (settings.group.empty()) return std::optional<uint32_t>();
    std::vector<char> buffer(64 << 10);
    struct group entry, *found = nullptr;
    if (getgrnam_r(settings.group.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) return std::optional<uint32_t>(entry.gr_gid);
    if (auto number = parse_uint(settings.group); number && *number < UINT32_MAX) return std::optional<uint32_t>(static_cast<uint32_t>(*number));
    if (settings.group != kDefaultGroup) return fail(ErrorKind::NotFound, concat("group ", settings.group, " not found"));
    settings.warnings.push_back(concat("could not change the group of the API socket to ", settings.group, ": group ", settings.group, " not found"));
    return std::optional<uint32_t>();
}

}  // namespace proa::engine
