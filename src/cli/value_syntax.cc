#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "cli/container_options.h"
#include "os/file.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

struct PortRange {
    uint64_t first = 0, last = 0;
    uint64_t count() const { return last - first + 1; }
};
std::optional<PortRange> parse_port_range(std::string_view text) {
    auto parts = cut(text, "-");
    auto first = parse_uint(parts ? parts->first : text);
    auto last = parts ? parse_uint(parts->second) : first;
    if (!first || !last || *first > 65535 || *last > 65535 || *last < *first) return std::nullopt;
    return PortRange{*first, *last};
}

/// "8080:80/tcp" into protocol and the rest; the protocol is checked.
Result<std::string> take_protocol(std::string_view& spec, std::string_view separator = "/") {
    auto slash = spec.rfind(separator);
    if (slash == spec.npos) return std::string("tcp");
    std::string protocol = to_lower(spec.substr(slash + 1));
    spec = spec.substr(0, slash);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return invalid(concat("invalid proto: ", protocol));
    return protocol;
}

std::string absolute_path(std::string_view path) {
    if (path.starts_with('/')) return std::string(path);
    char here[4096];
    if (!::getcwd(here, sizeof here)) return std::string(path);
    return os::join_path(here, path);
}

Result<bool> mount_bool(std::string_view key, std::optional<std::string_view> value) {
    if (!value) return true;
    auto parsed = parse_bool(*value);
    if (!parsed) return invalid(concat("invalid value for ", key, ": ", *value));
    return *parsed;
}
}  // namespace

Result<void> add_published_port(std::string_view spec, docker::PortSet& exposed, docker::PortMap& bindings) {
    std::string_view rest = spec;
    std::string protocol = TRY(take_protocol(rest));
    std::string_view container = rest, host_ports, address;
    if (size_t colon = rest.rfind(':'); colon != rest.npos) {
        container = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
        size_t second = rest.rfind(':');
        if (second == rest.npos) {
            host_ports = rest;
        } else {
            host_ports = rest.substr(second + 1);
            address = rest.substr(0, second);
        }
    }
    if (container.empty()) return invalid(concat("no port specified: ", spec, "<empty>"));
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (!address.empty() && !os::IpAddress::parse(address)) return invalid(concat("invalid IP address: ", address));
    auto inside = parse_port_range(container);
    if (!inside || inside->first == 0) return invalid(concat("invalid containerPort: ", container));
    std::optional<PortRange> outside;
    if (!host_ports.empty()) {
        outside = parse_port_range(host_ports);
        if (!outside) return invalid(concat("invalid hostPort: ", host_ports));
        if (outside->count() != inside->count() && inside->count() != 1)
            return invalid(concat("invalid ranges specified for container and host Ports: ", container, " and ", host_ports));
    }
    for (uint64_t port = inside->first; port <= inside->last; port++) {
        std::string key = concat(port, '/', protocol);
        std::string host;
        if (outside) {
            host = concat(outside->first + (port - inside->first));
            if (inside->count() == 1 && outside->count() != 1) host = concat(host_ports);
        }
        exposed.insert(key);
        bindings.add(key, {std::string(address), host});
    }
    return {};
}

Result<void> add_exposed_port(std::string_view spec, docker::PortSet& exposed) {
    if (spec.find(':') != spec.npos) return invalid(concat("invalid port format for --expose: ", spec));
    std::string_view ports = spec;
    std::string protocol = "tcp";
    if (auto parts = cut(spec, "/")) {
        ports = parts->first;
        protocol = to_lower(parts->second);
    }
    auto range = parse_port_range(ports);
    if (!range)
        return invalid(concat("invalid range format for --expose: ", spec, ", error: strconv.ParseUint: parsing ", quote(ports), ": invalid syntax"));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return invalid(concat("invalid port format for --expose: ", spec));
    for (uint64_t port = range->first; port <= range->last; port++) exposed.insert(concat(port, '/', protocol));
    return {};
}

namespace {
/// The fields of --mount while they are read.
class MountParser {
public:
    explicit MountParser() { mount_.type = "volume"; }

    Result<void> field(std::string_view field) {
        auto parts = cut(field, "=");
        std::string key = to_lower(parts ? parts->first : field);
        std::optional<std::string_view> value;
        if (parts) value = parts->second;
        static constexpr std::string_view kAlone[] = {"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"};
        bool alone = false;
        for (auto name : kAlone) alone |= name == key;
        if (!value && !alone) return invalid(concat("invalid field '", field, "' must be a key=value pair"));
        if (key.starts_with("bind-") || key.starts_with("volume-") || key.starts_with("tmpfs-") || key.starts_with("image-"))
            return special(key, value, field);
        if (key == "type") mount_.type = to_lower(*value);
        else if (key == "source" || key == "src") {
            mount_.source = *value;
            if (value->starts_with("./") || value->starts_with("../") || *value == "." || *value == "..") mount_.source = absolute_path(*value);
        } else if (key == "target" || key == "dst" || key == "destination") mount_.target = *value;
        else if (key == "readonly" || key == "ro") mount_.read_only = TRY(mount_bool(key, value));
        else if (key == "consistency") mount_.consistency = to_lower(*value);
        else return invalid(concat("unexpected key '", key, "' in '", field, "'"));
        return {};
    }

    Result<docker::MountRequest> finish() {
        if (mount_.type.empty()) return invalid("type is required");
        if (mount_.target.empty()) return invalid("target is required");
        auto& m = mount_;
        if (m.volume_options && m.type != "volume") return invalid(concat("cannot mix 'volume-*' options with mount type '", m.type, "'"));
        if (m.bind_options && m.type != "bind") return invalid(concat("cannot mix 'bind-*' options with mount type '", m.type, "'"));
        if (m.tmpfs_options && m.type != "tmpfs") return invalid(concat("cannot mix 'tmpfs-*' options with mount type '", m.type, "'"));
        if (m.image_options && m.type != "image") return invalid(concat("cannot mix 'image-*' options with mount type '", m.type, "'"));
        if (read_only_recursive_ && !m.read_only) return invalid(concat("option 'bind-recursive=", *read_only_recursive_, "' requires 'readonly' to be specified in conjunction"));
        if (read_only_recursive_ == "readonly" && m.bind_options->propagation != "rprivate")
            return invalid("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
        return std::move(mount_);
    }

private:
    docker::BindOptions& bind() { return mount_.bind_options ? *mount_.bind_options : mount_.bind_options.emplace(); }
    docker::VolumeOptions& volume() { return mount_.volume_options ? *mount_.volume_options : mount_.volume_options.emplace(); }
    docker::VolumeDriverConfig& driver() { return volume().driver_config ? *volume().driver_config : volume().driver_config.emplace(); }
    docker::TmpfsOptions& tmpfs() { return mount_.tmpfs_options ? *mount_.tmpfs_options : mount_.tmpfs_options.emplace(); }

    Result<void> recursive(std::string_view value) {
        if (value == "enabled") return {};
        if (value == "disabled") {
            bind().non_recursive = true;
        } else if (value == "writable" || value == "readonly") {
            if (value == "writable") bind().read_only_non_recursive = true;
            else bind().read_only_force_recursive = true;
            read_only_recursive_ = value;
        } else {
            return invalid(concat("invalid value for bind-recursive: ", value, " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"));
        }
        return {};
    }

    Result<void> special(const std::string& key, std::optional<std::string_view> value, std::string_view field) {
        auto pair = [&](docker::StringMap& map) {
            auto parts = cut(*value, "=");
            map[std::string(parts ? parts->first : *value)] = parts ? std::string(parts->second) : "";
        };
        if (key == "bind-propagation") bind().propagation = to_lower(*value);
        else if (key == "bind-nonrecursive") bind().non_recursive = TRY(mount_bool(key, value));
        else if (key == "bind-create-src") bind().create_mountpoint = TRY(mount_bool(key, value));
        else if (key == "bind-idmap") bind().id_map = *value;
        else if (key == "bind-recursive") return recursive(*value);
        else if (key == "volume-subpath") volume().subpath = *value;
        else if (key == "volume-nocopy") volume().no_copy = TRY(mount_bool(key, value));
        else if (key == "volume-label") pair(volume().labels);
        else if (key == "volume-driver") driver().name = *value;
        else if (key == "volume-opt") pair(driver().options);
        else if (key == "image-subpath") mount_.image_options.emplace().subpath = *value;
        else if (key == "tmpfs-size") {
            auto size = parse_bytes(*value);
            if (!size) return invalid(concat("invalid value for ", key, ": ", *value));
            tmpfs().size_bytes = *size;
        } else if (key == "tmpfs-mode") {
            auto mode = parse_uint(*value, 8);
            if (!mode) return invalid(concat("invalid value for ", key, ": ", *value));
            tmpfs().mode = static_cast<uint32_t>(*mode);
        } else {
            return invalid(concat("unexpected key '", key, "' in '", field, "'"));
        }
        return {};
    }

    docker::MountRequest mount_;
    std::optional<std::string> read_only_recursive_;
};
}  // namespace

Result<docker::MountRequest> parse_mount(std::string_view csv) {
    if (trim(csv).empty()) return invalid("value is empty");
    MountParser parser;
    for (auto& field : TRY(split_csv(csv))) TRY(parser.field(field));
    return parser.finish();
}

Result<NetworkAttachment> parse_network_attachment(std::string_view csv) {
    NetworkAttachment network;
    auto equals = csv.find('=');
    if (equals == csv.npos) {
        network.name = csv;
        return network;
    }
    auto ipam = [&]() -> docker::EndpointIpamConfig& {
        auto& config = network.settings.ipam_config;
        return config ? *config : config.emplace();
    };
    for (auto& field : TRY(split_csv(csv))) {
        auto parts = cut(field, "=");
        if (!parts || parts->second.empty()) return invalid(concat("invalid field ", field));
        std::string key = to_lower(trim(parts->first)), value(trim(parts->second));
        auto& settings = network.settings;
        if (key == "name") network.name = value;
        else if (key == "alias") {
            if (!settings.aliases) settings.aliases.emplace();
            settings.aliases->push_back(value);
        } else if (key == "ip") ipam().ipv4_address = value;
        else if (key == "ip6") ipam().ipv6_address = value;
        else if (key == "link-local-ip") ipam().link_local_ips.push_back(value);
        else if (key == "mac-address") settings.mac_address = value;
        else if (key == "driver-opt") {
            auto option = cut(value, "=");
            if (!option) return invalid("invalid key value pair format in driver options");
            if (!settings.driver_opts) settings.driver_opts.emplace();
            (*settings.driver_opts)[to_lower(trim(option->first))] = trim(option->second);
        } else if (key == "gw-priority") {
            auto number = parse_int(value);
            if (!number) return invalid(concat("invalid gw-priority (", value, "): invalid syntax"));
            settings.gw_priority = *number;
        } else {
            return invalid(concat("invalid field key ", key));
        }
    }
    if (network.name.empty()) return invalid("network name/id is not specified");
    return network;
}

Result<docker::DeviceRequest> parse_gpu_request(std::string_view csv) {
    docker::DeviceRequest request;
    std::vector<std::string> capabilities{"gpu"};
    request.options.emplace();
    bool counted = false;
    auto count = [&](std::string_view text) -> Result<void> {
        counted = true;
        auto number = text == "all" ? std::optional<int64_t>(-1) : parse_int(text);
        if (!number) return invalid(concat("invalid count (", text, "): value must be either \"all\" or an integer: invalid syntax"));
        request.count = *number;
        return {};
    };
    std::vector<std::string> seen;
    for (auto& field : TRY(split_csv(csv))) {
        auto parts = cut(field, "=");
        if (!parts) {
            if (!seen.empty()) return invalid(concat("gpu request key '", field, "' can be specified only once"));
            seen.push_back("count");
            TRY(count(field));
            continue;
        }
        std::string key(parts->first), value(parts->second);
        for (auto& earlier : seen)
            if (earlier == key) return invalid(concat("gpu request key '", key, "' can be specified only once"));
        seen.push_back(key);
        if (key == "driver") request.driver = value;
        else if (key == "count") TRY(count(value));
        else if (key == "device") request.device_ids = split(value, ',');
        else if (key == "capabilities") {
            capabilities.clear();
            for (auto& capability : split(value, ','))
                if (capability != "gpu") capabilities.push_back(capability);
            capabilities.push_back("gpu");
        } else if (key == "options") {
            for (auto& option : TRY(split_csv(value))) {
                auto pair = cut(option, "=");
                (*request.options)[std::string(pair ? pair->first : option)] = pair ? std::string(pair->second) : "";
            }
        } else {
            return invalid(concat("unexpected key '", key, "' in '", field, "'"));
        }
    }
    if (!counted && !request.device_ids) request.count = 1;
    request.capabilities = std::vector<std::vector<std::string>>{capabilities};
    return request;
}

bool is_cdi_name(std::string_view text) {
    auto kind = cut(text, "=");
    if (!kind || kind->second.empty()) return false;
    auto vendor = cut(kind->first, "/");
    auto name = [](std::string_view part, std::string_view extra) {
        if (part.empty() || !isalpha(static_cast<unsigned char>(part[0]))) return false;
        for (unsigned char c : part)
            if (!isalnum(c) && extra.find(static_cast<char>(c)) == extra.npos) return false;
        return isalnum(static_cast<unsigned char>(part.back())) != 0;
    };
    return vendor && name(vendor->first, "_-.") && name(vendor->second, "_-");
}

Result<docker::DeviceMapping> parse_device(std::string_view spec) {
    auto is_mode = [](std::string_view text) { return !text.empty() && text.find_first_not_of("rwm") == text.npos; };
    auto parts = split(spec, ':');
    if (parts.size() > 3 || parts[0].empty()) return invalid(concat("bad format for path: ", spec));
    docker::DeviceMapping device{parts[0], parts[0], "rwm"};
    if (parts.size() == 2) {
        if (is_mode(parts[1])) device.cgroup_permissions = parts[1];
        else device.path_in_container = parts[1];
    } else if (parts.size() == 3) {
        device.path_in_container = parts[1];
        device.cgroup_permissions = parts[2];
        if (!is_mode(parts[2])) return invalid(concat("bad mode specified: ", parts[2]));
    }
    if (!device.path_in_container.starts_with('/')) return invalid(concat(device.path_in_container, " is not an absolute path"));
    return device;
}

Result<VolumeSpec> parse_volume(std::string_view spec) {
    auto parts = split(spec, ':');
    if (spec.empty()) return invalid("invalid empty volume spec");
    if (parts.size() > 3) return invalid(concat("invalid spec: ", spec, ": too many colons"));
    VolumeSpec volume;
    if (parts.size() == 1) {
        volume.target = parts[0];
        return volume;
    }
    volume.bind = true;
    std::string source = parts[0];
    if (source.starts_with('.')) source = absolute_path(source);
    volume.text = concat(source, ':', spec.substr(parts[0].size() + 1));
    return volume;
}

Result<docker::RestartPolicy> parse_restart_policy(std::string_view text) {
    docker::RestartPolicy policy;
    if (text.empty()) return policy;
    auto parts = cut(text, ":");
    policy.name = parts ? parts->first : text;
    if (parts && parts->second.find(':') != std::string_view::npos) return invalid("invalid restart policy format: restart policy should be specified as 'name[:max-retries]'");
    if (policy.name.empty()) return invalid("invalid restart policy format: no policy provided before colon");
    if (parts) {
        auto count = parse_int(parts->second);
        if (!count) return invalid("invalid restart policy format: maximum retry count must be an integer");
        policy.maximum_retry_count = *count;
    }
    return policy;
}

Result<void> parse_restart_delay(std::string_view text, docker::RestartPolicy& policy) {
    if (text.empty()) return {};
    auto sides = cut(text, ":");
    auto first = parse_duration(sides ? sides->first : text), longest = sides ? parse_duration(sides->second) : std::optional<int64_t>(0);
    if (!first || !longest || *first <= 0 || (sides && *longest <= 0))
        return invalid(concat("invalid restart delay ", quote(text), ": should be specified as 'FIRST[:LONGEST]', such as 500ms or 1s:5m"));
    policy.delay_minimum = *first;
    policy.delay_maximum = *longest;
    return {};
}

void add_environment(std::string_view item, std::vector<std::string>& out) {
    if (item.find('=') != item.npos) {
        out.emplace_back(item);
        return;
    }
    std::string name(item);
    if (const char* value = ::getenv(name.c_str())) out.push_back(concat(name, '=', std::string_view(value)));
}

Result<std::vector<std::string>> read_key_value_file(const std::string& path, bool from_environment) {
    auto content = os::read_file(path);
    if (!content) {
        std::string reason = content.error().is(ErrorKind::NotFound) ? "no such file or directory" : content.error().message();
        return fail(content.error().kind(), concat("open ", path, ": ", reason));
    }
    std::vector<std::string> items;
    size_t number = 0;
    for (auto& raw : split(trim_prefix(*content, "\xef\xbb\xbf"), '\n')) {
        number++;
        std::string_view line = trim_suffix(raw, "\r");
        while (!line.empty() && isspace(static_cast<unsigned char>(line[0]))) line.remove_prefix(1);
        if (line.empty() || line[0] == '#') continue;
        if (to_valid_utf8(line) != line) return invalid(concat("env file ", path, " contains invalid utf8 bytes at line ", number, ": ", quote(line)));
        auto parts = cut(line, "=");
        std::string_view name = parts ? parts->first : line;
        if (name.find_first_of(" \t") != name.npos) return invalid(concat("variable '", name, "' contains whitespaces"));
        if (name.empty()) return invalid(concat("no variable name on line '", line, "'"));
        if (parts) items.emplace_back(line);
        else if (from_environment) add_environment(line, items);
        else items.emplace_back(line);
    }
    return items;
}

docker::StringMap key_values(const std::vector<std::string>& items) {
    docker::StringMap map;
    for (auto& item : items) {
        auto parts = cut(item, "=");
        map[std::string(parts ? parts->first : item)] = parts ? std::string(parts->second) : "";
    }
    return map;
}

}  // namespace proa::cli
