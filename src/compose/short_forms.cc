#include "compose/short_forms.h"

#include <algorithm>

#include "base/text.h"
#include "os/file.h"
#include "os/ip_address.h"

namespace proa::compose {

namespace {
using yaml::Node;

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

struct Range {
    uint64_t first = 0, last = 0;
    uint64_t count() const { return last - first + 1; }
};
std::optional<Range> read_range(std::string_view text) {
    auto ends = cut(text, "-");
    auto first = parse_uint(ends ? ends->first : text), last = parse_uint(ends ? ends->second : text);
    if (!first || !last || *last > 65535 || *first > *last) return std::nullopt;
    return Range{*first, *last};
}

Result<std::string> read_address(std::string_view raw) {
    std::string_view address = raw;
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    else if (address.find(':') != address.npos) return invalid(concat("Invalid ip address ", raw, ": address ", raw, ":: too many colons in address"));
    if (!address.empty() && !os::IpAddress::parse(address)) return invalid(concat("Invalid ip address: ", address));
    return std::string(address);
}

Node port_node(const std::string& address, uint64_t target, const std::string& published, const std::string& protocol, yaml::Mark mark) {
    Node port = Node::mapping(mark);
    port.set("mode", Node::of_text("ingress", mark));
    if (!address.empty()) port.set("host_ip", Node::of_text(address, mark));
    if (target != 0) port.set("target", Node::of_integer(static_cast<int64_t>(target), mark));
    if (!published.empty()) port.set("published", Node::of_text(published, mark));
    port.set("protocol", Node::of_text(protocol, mark));
    return port;
}

bool is_drive(std::string_view piece) { return piece.size() == 1 && std::isalpha(static_cast<unsigned char>(piece[0])); }

bool is_file_path(std::string_view source) {
    if (source.empty()) return false;
    if (source[0] == '.' || source[0] == '/' || source[0] == '~' || source.starts_with("\\\\")) return true;
    return source.size() > 1 && is_drive(source.substr(0, 1)) && source[1] == ':';
}

/// Cut at colons, but not behind a drive letter.
std::vector<std::string> mount_pieces(std::string_view text) {
    std::vector<std::string> pieces(1);
    for (char c : text) {
        if (c == ':' && !is_drive(pieces.back())) pieces.emplace_back();
        else pieces.back().push_back(c);
    }
    return pieces;
}

void set_mount_option(Node& mount, const std::string& option, yaml::Mark mark) {
    static constexpr std::string_view kPropagations[] = {"rprivate", "private", "rshared", "shared", "rslave", "slave"};
    auto within = [&](std::string_view key) -> Node& {
        auto* found = mount.find(key);
        return found ? *found : mount.set(key, Node::mapping(mark));
    };
    if (option == "ro") mount.set("read_only", Node::of_bool(true, mark));
    else if (option == "rw") mount.erase("read_only");
    else if (option == "nocopy") within("volume").set("nocopy", Node::of_bool(true, mark));
    else if (option == "z" || option == "Z") within("bind").set("selinux", Node::of_text(option, mark));
    else if (std::find(std::begin(kPropagations), std::end(kPropagations), option) != std::end(kPropagations))
        within("bind").set("propagation", Node::of_text(option, mark));
    // compose passes over words that it does not know
}
}  // namespace

Result<std::vector<Node>> read_port(std::string_view text, yaml::Mark mark) {
    std::string_view rest = text;
    std::string protocol = "tcp";
    if (auto parts = cut(text, "/")) {
        rest = parts->first;
        protocol = to_lower(parts->second.substr(0, parts->second.find('/')));
        if (protocol.empty()) protocol = "tcp";
    }
    std::string_view container = rest, host, address;
    if (size_t colon = rest.rfind(':'); colon != rest.npos) {
        container = rest.substr(colon + 1);
        host = rest.substr(0, colon);
        if (size_t second = host.rfind(':'); second != host.npos) {
            address = host.substr(0, second);
            host = host.substr(second + 1);
        }
    }
    std::string ip = TRY(read_address(address));
    if (container.empty()) return invalid(concat("No port specified: ", text, "<empty>"));
    auto inside = read_range(container);
    if (!inside) return invalid(concat("Invalid containerPort: ", container));
    std::optional<Range> outside;
    if (!host.empty()) {
        outside = read_range(host);
        if (!outside) return invalid(concat("Invalid hostPort: ", host));
        if (outside->count() != inside->count() && inside->count() != 1)
            return invalid(concat("Invalid ranges specified for container and host Ports: ", container, " and ", host));
    }
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return invalid(concat("Invalid proto: ", protocol));
    std::vector<Node> ports;
    for (uint64_t port = inside->first; port <= inside->last; ++port) {
        std::string published = outside ? concat(outside->first + port - inside->first) : "";
        if (outside && inside->count() == 1 && outside->count() != 1) published = host;
        ports.push_back(port_node(ip, port, published, protocol, mark));
    }
    // Ranges come in the order of their ports as texts: 10000 before 9999.
    std::stable_sort(ports.begin(), ports.end(), [](auto& a, auto& b) {
        auto target = [](auto& port) { return port.find("target") ? port.find("target")->text : std::string(); };
        return target(a) < target(b);
    });
    return ports;
}

Result<Node> read_mount(std::string_view text, yaml::Mark mark) {
    Node mount = Node::mapping(mark);
    if (text.empty()) return invalid("invalid empty volume spec");
    if (text.size() <= 2) {
        mount.set("type", Node::of_text("volume", mark));
        mount.set("target", Node::of_text(std::string(text), mark));
        return mount;
    }
    auto pieces = mount_pieces(text);
    auto wrong = [&](std::string_view why) { return invalid(concat("invalid spec: ", text, ": ", why)); };
    for (auto& piece : pieces)
        if (piece.empty()) return wrong("empty section between colons");
    if (pieces.size() > 3) return wrong("too many colons");
    std::string source = pieces.size() > 1 ? pieces[0] : "", target = pieces.size() > 1 ? pieces[1] : pieces[0];
    bool bind = is_file_path(source);
    mount.set("type", Node::of_text(bind ? "bind" : "volume", mark));
    if (!source.empty()) mount.set("source", Node::of_text(source, mark));
    mount.set("target", Node::of_text(os::clean_path(target), mark));
    if (pieces.size() == 3)
        for (auto& option : split(pieces[2], ',')) set_mount_option(mount, option, mark);
    const char* key = bind ? "bind" : "volume";
    if (!mount.find(key)) mount.set(key, Node::mapping(mark));
    if (bind) mount.find("bind")->set("create_host_path", Node::of_bool(true, mark));
    return mount;
}

}  // namespace proa::compose
