#include "engine/settings_directives.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "container/plan.h"
#include "os/ip_address.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

/// Go's text for a JSON value of the wrong type; `place` is the field's path.
Unexpected mismatch(const json::Value& value, std::string_view place, std::string_view type) {
    std::string what(value.type_name());
    if (value.is_number() && type == "int") what += " " + json::print(value);
    return invalid(concat("json: cannot unmarshal ", what, " into Go struct field ", place, " of type ", type));
}

// How values of one form are read and shown. `from_file` gets no null: that leaves every form as it was.

struct Boolean {
    using type = bool;
    static constexpr std::string_view kName = "";
    static Result<void> from_flag(bool& target, std::string_view text) {
        auto value = parse_bool(text);
        if (!value) return invalid(concat("strconv.ParseBool: parsing ", quote(text), ": invalid syntax"));
        target = *value;
        return {};
    }
    static Result<void> from_file(bool& target, const json::Value& value, std::string_view place) {
        if (!value.is_bool()) return mismatch(value, place, "bool");
        target = value.as_bool();
        return {};
    }
    static std::string shown(bool value) { return value ? "true" : "false"; }
    static json::Value to_json(bool value) { return value; }
};

struct Integer {
    using type = int64_t;
    static constexpr std::string_view kName = "int";
    static Result<void> from_flag(int64_t& target, std::string_view text) {
        // Go's base 0: the prefix tells the base.
        std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
        int base = digits.starts_with("0x") ? 16 : digits.starts_with("0b") ? 2 : digits.starts_with("0o") || (digits.size() > 1 && digits[0] == '0') ? 8 : 10;
        if (base == 16 || base == 2 || digits.starts_with("0o")) digits = digits.substr(2);
        auto value = parse_int(concat(text.starts_with('-') ? "-" : "", digits), base);
        bool in_form = !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return isxdigit(static_cast<unsigned char>(c)); });
        if (!value)
            return invalid(
                concat("strconv.ParseInt: parsing ", quote(text),
                       in_form && base == 10 && digits.find_first_not_of("0123456789") == digits.npos ? ": value out of range" : ": invalid syntax"));
        target = *value;
        return {};
    }
    static Result<void> from_file(int64_t& target, const json::Value& value, std::string_view place) {
        if (!std::holds_alternative<int64_t>(value.storage())) return mismatch(value, place, "int");
        target = value.as_int();
        return {};
    }
    static std::string shown(int64_t value) { return concat(value); }
    static json::Value to_json(int64_t value) { return value; }
};

struct Text {
    using type = std::string;
    static constexpr std::string_view kName = "string";
    static Result<void> from_flag(std::string& target, std::string_view text) {
        target = text;
        return {};
    }
    static Result<void> from_file(std::string& target, const json::Value& value, std::string_view place) {
        if (!value.is_string()) return mismatch(value, place, "string");
        target = value.as_string();
        return {};
    }
    static std::string shown(const std::string& value) { return value; }
    static json::Value to_json(const std::string& value) { return value; }
};

struct Bytes {
    using type = int64_t;
    static constexpr std::string_view kName = "bytes";
    static Result<void> from_flag(int64_t& target, std::string_view text) {
        target = TRY(parse_bytes(text));
        return {};
    }
    static Result<void> from_file(int64_t& target, const json::Value& value, std::string_view) {
        if (!value.is_string() || value.as_string().empty()) return invalid(concat("invalid size: ", quote(json::print(value))));
        return from_flag(target, value.as_string());
    }
    static std::string shown(int64_t value) {
        static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
        double size = static_cast<double>(value);
        size_t unit = 0;
        for (; size >= 1024 && unit + 1 < std::size(kUnits); unit++) size /= 1024;
        char text[40];
        snprintf(text, sizeof text, "%.4g%s", size, kUnits[unit]);
        return text;
    }
    static json::Value to_json(int64_t value) { return value; }
};

struct Address {
    using type = std::string;
    static constexpr std::string_view kName = "ip";
    static Result<void> from_flag(std::string& target, std::string_view text) {
        if (!os::IpAddress::parse(text)) return invalid(concat("failed to parse IP: ", quote(text)));
        target = text;
        return {};
    }
    static Result<void> from_file(std::string& target, const json::Value& value, std::string_view place) {
        if (!value.is_string()) return mismatch(value, place, "net.IP");
        if (value.as_string().empty()) return {};
        if (!os::IpAddress::parse(value.as_string())) return invalid(concat("invalid IP address: ", value.as_string()));
        target = value.as_string();
        return {};
    }
    static std::string shown(const std::string& value) { return value; }
    static json::Value to_json(const std::string& value) { return value; }
};

std::string shown_list(const std::vector<std::string>& values) { return concat('[', join(values, " "), ']'); }

struct Addresses {
    using type = std::vector<std::string>;
    static constexpr std::string_view kName = "list";
    static Result<void> from_flag(type& target, std::string_view text) {
        for (auto& piece : split(text, ',')) {
            if (!os::IpAddress::parse(trim(piece))) return invalid(concat("invalid string being converted to IP address: ", piece));
            target.emplace_back(trim(piece));
        }
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_array()) return mismatch(value, place, "[]net.IP");
        target.clear();
        for (auto& item : value.as_array()) {
            std::string address;
            TRY(Address::from_file(address, item, place));
            if (!address.empty()) target.push_back(std::move(address));
        }
        return {};
    }
    static std::string shown(const type& value) { return shown_list(value); }
    static json::Value to_json(const type& value) { return json::Value::strings(value); }
};

/// A list of texts. `Check` runs on flags at once; lists of the file are checked with the merged settings, as Docker does.
template <auto Check>
struct Texts {
    using type = std::vector<std::string>;
    static constexpr std::string_view kName = "list";
    static Result<void> from_flag(type& target, std::string_view text) {
        target.push_back(TRY(Check(text)));
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_array()) return mismatch(value, place, "[]string");
        target.clear();
        for (auto& item : value.as_array()) {
            if (!item.is_string()) return mismatch(item, place, "string");
            target.push_back(item.as_string());
        }
        return {};
    }
    static std::string shown(const type& value) { return shown_list(value); }
    static json::Value to_json(const type& value) { return json::Value::strings(value); }
};

Result<std::string> check_nothing(std::string_view text) { return std::string(text); }

Result<std::string> check_host(std::string_view host) {
    std::string_view plain = trim(host);
    if (!plain.empty()) TRY(parse_listener(plain, false, "/"));
    return std::string(plain);
}

struct TextMap {
    using type = std::map<std::string, std::string>;
    static constexpr std::string_view kName = "key=value";
    static Result<void> from_flag(type& target, std::string_view text) {
        auto parts = cut(text, "=");
        target[std::string(parts ? parts->first : text)] = parts ? parts->second : "";
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_object()) return mismatch(value, place, "map[string]string");
        target.clear();
        for (auto& member : value.as_object()) {
            if (!member.value.is_string()) return mismatch(member.value, place, "string");
            target[member.name] = member.value.as_string();
        }
        return {};
    }
    static std::string shown(const type& value) { return go_text(to_json(value)); }
    static json::Value to_json(const type& value) {
        json::Object object;
        for (auto& [key, text] : value) object.set(key, text);
        return object;
    }
};

struct Features {
    using type = std::map<std::string, bool>;
    static constexpr std::string_view kName = "name[=bool]";
    static Result<void> from_flag(type& target, std::string_view text) {
        auto parts = cut(text, "=");
        bool value = true;
        if (parts) TRY(Boolean::from_flag(value, parts->second));
        target[std::string(parts ? parts->first : text)] = value;
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_object()) return mismatch(value, place, "map[string]bool");
        target.clear();
        for (auto& member : value.as_object()) {
            if (!member.value.is_bool()) return mismatch(member.value, place, "bool");
            target[member.name] = member.value.as_bool();
        }
        return {};
    }
    static std::string shown(const type& value) { return go_text(to_json(value)); }
    static json::Value to_json(const type& value) {
        json::Object object;
        for (auto& [key, on] : value) object.set(key, on);
        return object;
    }
};

struct Ulimits {
    using type = std::map<std::string, docker::Ulimit>;
    static constexpr std::string_view kName = "ulimit";
    static Result<void> from_flag(type& target, std::string_view text) {
        auto ulimit = TRY(parse_ulimit(text));
        target[ulimit.name] = ulimit;
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_object()) return mismatch(value, place, "map[string]*units.Ulimit");
        target.clear();
        for (auto& member : value.as_object()) {
            if (member.value.is_null()) continue;
            if (!member.value.is_object()) return mismatch(member.value, place, "units.Ulimit");
            docker::Ulimit ulimit{member.name, 0, 0};
            for (auto [name, number] : {std::pair{"Hard", &ulimit.hard}, {"Soft", &ulimit.soft}}) {
                auto& limit = member.value[name];
                if (limit.is_null()) continue;
                if (!std::holds_alternative<int64_t>(limit.storage())) return mismatch(limit, concat("Ulimit.default-ulimits.", name), "int64");
                *number = limit.as_int();
            }
            auto& name = member.value["Name"];
            if (!name.is_null() && !name.is_string()) return mismatch(name, "Ulimit.default-ulimits.Name", "string");
            if (!name.as_string().empty()) ulimit.name = name.as_string();
            target[ulimit.name] = ulimit;
        }
        return {};
    }
    static std::string shown(const type& value) {
        std::vector<std::string> texts;
        for (auto& [name, ulimit] : value) texts.push_back(concat(name, '=', ulimit.soft, ':', ulimit.hard));
        return shown_list(texts);
    }
    static json::Value to_json(const type& value) {
        json::Object object;
        for (auto& [name, ulimit] : value) object.set(name, json::Object{{"Name", name}, {"Hard", ulimit.hard}, {"Soft", ulimit.soft}});
        return object;
    }
};

struct Runtimes {
    using type = std::map<std::string, RuntimeProgram>;
    static constexpr std::string_view kName = "name=path";
    static Result<void> from_flag(type& target, std::string_view text) {
        auto parts = cut(text, "=");
        if (!parts || trim(parts->first).empty() || trim(parts->second).empty()) return invalid(concat("invalid runtime argument: ", text));
        std::string name = to_lower(trim(parts->first));
        if (name == kBuiltinRuntime) return invalid(concat("runtime name '", name, "' is reserved"));
        if (target.contains(name)) return invalid(concat("runtime '", name, "' was already defined"));
        target[name].path = trim(parts->second);
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_object()) return mismatch(value, place, "map[string]system.Runtime");
        for (auto& member : value.as_object()) {
            if (!member.value.is_object()) return mismatch(member.value, place, "system.Runtime");
            RuntimeProgram program;
            TRY(read_text(program.path, member.value, "path"));
            TRY(read_text(program.type, member.value, "runtimeType"));
            if (auto& arguments = member.value["runtimeArgs"]; !arguments.is_null())
                TRY(Texts<check_nothing>::from_file(program.arguments, arguments, "Runtime.runtimes.runtimeArgs"));
            program.options = member.value["options"];
            if (!program.options.is_null() && !program.options.is_object())
                return mismatch(program.options, "Runtime.runtimes.options", "map[string]interface {}");
            target[member.name] = std::move(program);
        }
        return {};
    }
    static Result<void> read_text(std::string& target, const json::Value& object, std::string_view name) {
        if (object[name].is_null()) return {};
        return Text::from_file(target, object[name], concat("Runtime.runtimes.", name));
    }
    static std::string shown(const type& value) {
        std::vector<std::string> names;
        for (auto& [name, program] : value) names.push_back(concat(name, ':', program.path));
        return join(names, " ");
    }
    static json::Value to_json(const type& value) {
        json::Object object;
        for (auto& [name, program] : value) {
            json::Object one{{"path", program.path}};
            if (!program.arguments.empty()) one.set("runtimeArgs", json::Value::strings(program.arguments));
            object.set(name, std::move(one));
        }
        return object;
    }
};

struct Mirrors {
    using type = std::map<std::string, std::vector<std::string>>;
    static constexpr std::string_view kName = "registry=URL";
    static Result<void> from_flag(type& target, std::string_view text) {
        auto parts = cut(text, "=");
        if (!parts || parts->first.empty()) return invalid(concat("invalid mirror: ", quote(text), ": REGISTRY=URL is wanted"));
        target[std::string(parts->first)].push_back(TRY(check_mirror(parts->second)));
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_object()) return mismatch(value, place, "map[string][]string");
        target.clear();
        for (auto& member : value.as_object()) TRY(Texts<check_mirror>::from_file(target[member.name], member.value, place));
        return {};
    }
    static std::string shown(const type& value) { return go_text(to_json(value)); }
    static json::Value to_json(const type& value) {
        json::Object object;
        for (auto& [registry, urls] : value) object.set(registry, json::Value::strings(urls));
        return object;
    }
};

struct Pools {
    using type = std::vector<AddressPoolSetting>;
    static constexpr std::string_view kName = "base=CIDR,size=N";
    static Result<void> from_flag(type& target, std::string_view text) {
        AddressPoolSetting pool;
        for (auto& piece : split(text, ',')) {
            auto parts = cut(piece, "=");
            if (!parts) return invalid(concat("invalid field '", piece, "' must be a key=value pair"));
            if (to_lower(parts->first) == "base") {
                pool.base = parts->second;
            } else if (to_lower(parts->first) == "size") {
                auto size = parse_int(parts->second);
                if (!size)
                    return invalid(
                        concat("invalid size value: ", quote(text), " (must be integer): strconv.Atoi: parsing ", quote(parts->second), ": invalid syntax"));
                pool.size = *size;
            } else {
                return invalid(concat("unexpected key '", parts->first, "' in '", piece, "'"));
            }
        }
        target.push_back(std::move(pool));
        return {};
    }
    static Result<void> from_file(type& target, const json::Value& value, std::string_view place) {
        if (!value.is_array()) return mismatch(value, place, "[]*ipamutils.NetworkToSplit");
        target.clear();
        for (auto& item : value.as_array()) {
            if (!item.is_object()) return mismatch(item, place, "ipamutils.NetworkToSplit");
            AddressPoolSetting pool;
            if (!item["base"].is_null()) TRY(Text::from_file(pool.base, item["base"], concat(place, ".base")));
            if (!item["size"].is_null()) TRY(Integer::from_file(pool.size, item["size"], concat(place, ".size")));
            target.push_back(std::move(pool));
        }
        return {};
    }
    static std::string shown(const type& value) {
        std::vector<std::string> texts;
        for (auto& pool : value) texts.push_back(concat(pool.base, ' ', pool.size));
        return join(texts, ",");
    }
    static json::Value to_json(const type& value) {
        json::Array array;
        for (auto& pool : value) array.push_back(json::Object{{"base", pool.base}, {"size", pool.size}});
        return array;
    }
};

template <auto Member, class Form>
constexpr Directive directive(std::string_view key, std::string_view flag, char shorthand, std::string_view place, Reload reload, std::string_view prose) {
    return Directive{
        key,
        flag,
        shorthand,
        Form::kName,
        prose,
        place,
        reload,
        [](Settings& settings, std::string_view text) { return Form::from_flag(settings.*Member, text); },
        [](Settings& settings, const json::Value& value, std::string_view where) { return Form::from_file(settings.*Member, value, where); },
        [](const Settings& settings) { return Form::shown(settings.*Member); },
        [](const Settings& settings) { return Form::to_json(settings.*Member); },
        [](const Settings& from, Settings& to) { to.*Member = from.*Member; },
    };
}

using S = Settings;
using enum Reload;
constexpr std::string_view kCommon = "CommonConfig.", kTls = "CommonConfig.TLSOptions.", kLog = "CommonConfig.LogConfig.", kDns = "CommonConfig.DNSConfig.",
                           kBridge = "CommonConfig.BridgeConfig.", kDefaultBridge = "CommonConfig.BridgeConfig.DefaultBridgeConfig.",
                           kBridgeInner = "CommonConfig.BridgeConfig.DefaultBridgeConfig.commonBridgeConfig.", kService = "CommonConfig.ServiceOptions.",
                           kNetwork = "CommonConfig.NetworkConfig.", kProxies = "CommonConfig.proxies.";

// Sorted by flag: conflicts and the help page name directives in this order.
constexpr Directive kDirectives[] = {
    directive<&S::runtimes, Runtimes>("runtimes", "add-runtime", 0, "", WhenPresent, "Register an additional OCI compatible runtime"),
    directive<&S::bip, Text>("bip", "bip", 0, kDefaultBridge, Never, "Address and prefix length of the default bridge; empty takes a free pool"),
    directive<&S::bip6, Text>("bip6", "bip6", 0, kDefaultBridge, Never, "IPv6 address and prefix length of the default bridge"),
    directive<&S::bridge, Text>("bridge", "bridge", 'b', kBridgeInner, Never, "Attach containers to this bridge; none switches the default network off"),
    directive<&S::cgroup_parent, Text>("cgroup-parent", "cgroup-parent", 0, "", Never,
                                       "Parent cgroup of all containers; empty means /proa, or system.slice with the systemd driver"),
    directive<&S::data_root, Text>("data-root", "data-root", 0, kCommon, Never, "Root directory of persistent state"),
    directive<&S::debug, Boolean>("debug", "debug", 'D', kCommon, WhenPresent, "Enable debug mode"),
    directive<&S::default_address_pools, Pools>("default-address-pools", "default-address-pool", 0, kNetwork, Never,
                                                "Addresses that networks without a subnet of their own are cut from"),
    directive<&S::default_cgroupns_mode, Text>("default-cgroupns-mode", "default-cgroupns-mode", 0, "", WhenPresent,
                                               "Default cgroup namespace of containers (host | private); empty means private on cgroup v2 and host on v1"),
    directive<&S::default_gateway, Text>("default-gateway", "default-gateway", 0, kDefaultBridge, Never,
                                         "IPv4 router of the default bridge's containers instead of the bridge"),
    directive<&S::default_gateway_v6, Text>("default-gateway-v6", "default-gateway-v6", 0, kDefaultBridge, Never,
                                            "IPv6 router of the default bridge's containers instead of the bridge"),
    directive<&S::default_ipc_mode, Text>("default-ipc-mode", "default-ipc-mode", 0, "", WhenPresent, "Default IPC mode of containers (shareable | private)"),
    directive<&S::default_runtime, Text>("default-runtime", "default-runtime", 0, kCommon, WhenPresent,
                                         "Default OCI runtime of containers; proa is the built-in one, also called runc"),
    directive<&S::default_shm_size, Bytes>("default-shm-size", "default-shm-size", 0, "", WhenPresent, "Default size of /dev/shm in containers"),
    directive<&S::default_stop_timeout, Integer>("default-stop-timeout", "default-stop-timeout", 0, kCommon, WhenPresent,
                                                 "Seconds that a container has to stop before it is killed; -1 waits for ever"),
    directive<&S::default_ulimits, Ulimits>("default-ulimits", "default-ulimit", 0, "", Never, "Default ulimits of containers"),
    directive<&S::dns, Addresses>("dns", "dns", 0, kDns, Never, "DNS servers of containers instead of the host's"),
    directive<&S::dns_opts, Texts<check_nothing>>("dns-opts", "dns-opt", 0, kDns, Never, "DNS options of containers"),
    directive<&S::dns_search, Texts<check_search_domain>>("dns-search", "dns-search", 0, kDns, Never, "DNS search domains of containers"),
    directive<&S::exec_opts, Texts<check_nothing>>("exec-opts", "exec-opt", 0, kCommon, Never,
                                                   "Runtime execution options (native.cgroupdriver=cgroupfs or systemd)"),
    directive<&S::exec_root, Text>("exec-root", "exec-root", 0, kCommon, Never, "Root directory of execution state"),
    directive<&S::experimental, Boolean>("experimental", "experimental", 0, kCommon, Never, "Report the daemon as experimental"),
    directive<&S::features, Features>("features", "feature", 0, kCommon, OrReset, "Switch a feature on or off; cdi is the one that this engine has"),
    directive<&S::fixed_cidr, Text>("fixed-cidr", "fixed-cidr", 0, kBridgeInner, Never,
                                    "Part of the default bridge's subnet that containers get addresses from"),
    directive<&S::fixed_cidr_v6, Text>("fixed-cidr-v6", "fixed-cidr-v6", 0, kBridgeInner, Never, "IPv6 subnet of the default bridge"),
    directive<&S::group, Text>("group", "group", 'G', kCommon, Never, "Group that owns the unix socket"),
    directive<&S::hosts, Texts<check_host>>("hosts", "host", 'H', kCommon, Never,
                                            "Sockets to listen on: unix://PATH, tcp://ADDRESS:PORT, fd://; unix:///run/proa/proa.sock when there is none"),
    directive<&S::http_proxy, Text>("http-proxy", "http-proxy", 0, kProxies, Never, "Proxy for registries that are asked by http; empty means $HTTP_PROXY"),
    directive<&S::https_proxy, Text>("https-proxy", "https-proxy", 0, kProxies, Never,
                                     "Proxy for registries that are asked by https; empty means $HTTPS_PROXY"),
    directive<&S::icc, Boolean>("icc", "icc", 0, kDefaultBridge, Never, "Let containers of the default bridge reach each other"),
    directive<&S::init, Boolean>("init", "init", 0, "", Never, "Run an init in each container that forwards signals and reaps processes"),
    directive<&S::init_path, Text>("init-path", "init-path", 0, "", Never, "Path of that init; empty means proa-init beside the daemon"),
    directive<&S::insecure_registries, Texts<check_nothing>>("insecure-registries", "insecure-registry", 0, kService, WhenPresent,
                                                             "Registries that may be reached without verified TLS"),
    directive<&S::ip, Address>("ip", "ip", 0, kDefaultBridge, Never, "Host address of published ports that name none"),
    directive<&S::ip_forward, Boolean>("ip-forward", "ip-forward", 0, kBridge, Never, "Enable net.ipv4.ip_forward"),
    directive<&S::ip_masq, Boolean>("ip-masq", "ip-masq", 0, kBridge, Never, "Masquerade what leaves the default bridge"),
    directive<&S::iptables, Boolean>("iptables", "iptables", 0, kBridge, Never, "Install packet filter rules"),
    directive<&S::ipv6, Boolean>("ipv6", "ipv6", 0, kDefaultBridge, Never, "Give the default bridge IPv6 too"),
    directive<&S::labels, Texts<check_label>>("labels", "label", 0, kCommon, WhenPresent, "Labels of the daemon (key=value)"),
    directive<&S::live_restore, Boolean>("live-restore", "live-restore", 0, kCommon, WhenPresent,
                                         "Containers live on without the daemon; cannot be switched off"),
    directive<&S::log_driver, Text>("log-driver", "log-driver", 0, kLog, Never, "Default driver of container logs"),
    directive<&S::log_format, Text>("log-format", "log-format", 0, kCommon, Never, "Format of the daemon's own log (text | json)"),
    directive<&S::log_level, Text>("log-level", "log-level", 'l', kCommon, WhenPresent, "Level of the daemon's own log (debug | info | warn | error | fatal)"),
    directive<&S::log_opts, TextMap>("log-opts", "log-opt", 0, kLog, Never, "Default options of the log driver"),
    directive<&S::max_concurrent_downloads, Integer>("max-concurrent-downloads", "max-concurrent-downloads", 0, kCommon, OrReset,
                                                     "Layers that a pull fetches at a time"),
    directive<&S::max_concurrent_uploads, Integer>("max-concurrent-uploads", "max-concurrent-uploads", 0, kCommon, OrReset,
                                                   "Layers that a push sends at a time"),
    directive<&S::max_download_attempts, Integer>("max-download-attempts", "max-download-attempts", 0, kCommon, OrReset,
                                                  "Times that a pull tries to fetch a layer"),
    directive<&S::min_api_version, Text>("min-api-version", "", 0, kCommon, Never, "Oldest API version that is served"),
    directive<&S::mirrors, Mirrors>("mirrors", "mirror", 0, kService, WhenPresent, "Preferred mirrors of any registry (HOST[:PORT]=URL)"),
    directive<&S::mtu, Integer>("mtu", "mtu", 0, kDefaultBridge, Never, "MTU of the default bridge network"),
    directive<&S::no_new_privileges, Boolean>("no-new-privileges", "no-new-privileges", 0, "", Never, "Set no-new-privileges in new containers"),
    directive<&S::no_proxy, Text>("no-proxy", "no-proxy", 0, kProxies, Never, "Hosts and networks that are reached without a proxy; empty means $NO_PROXY"),
    directive<&S::pidfile, Text>("pidfile", "pidfile", 'p', kCommon, Never, "Path of the daemon's PID file; empty means proad.pid in the exec root"),
    directive<&S::registry_mirrors, Texts<check_mirror>>("registry-mirrors", "registry-mirror", 0, kService, WhenPresent, "Preferred mirrors of Docker Hub"),
    directive<&S::seccomp_profile, Text>("seccomp-profile", "seccomp-profile", 0, "", Never, "Path of a seccomp profile, builtin or unconfined"),
    directive<&S::shutdown_timeout, Integer>("shutdown-timeout", "shutdown-timeout", 0, kCommon, WhenPresent,
                                             "Accepted for Docker's sake: containers never end with the daemon, so it does not wait for them"),
    directive<&S::storage_budget, Bytes>("storage-budget", "storage-budget", 0, kCommon, WhenPresent,
                                         "Bytes that images may take; above it what no name and no container refers to goes, least recently used first"),
    directive<&S::storage_driver, Text>("storage-driver", "storage-driver", 's', kCommon, Never, "Storage driver to use"),
    directive<&S::tls, Boolean>("tls", "tls", 0, kCommon, Never, "Use TLS; implied by --tlsverify"),
    directive<&S::tlscacert, Text>("tlscacert", "tlscacert", 0, kTls, Never,
                                   "Trust only client certificates signed by this CA; empty means ca.pem in $DOCKER_CERT_PATH or ~/.docker"),
    directive<&S::tlscert, Text>("tlscert", "tlscert", 0, kTls, Never, "TLS certificate; empty means cert.pem there"),
    directive<&S::tlskey, Text>("tlskey", "tlskey", 0, kTls, Never, "TLS key; empty means key.pem there"),
    directive<&S::tlsverify, Boolean>("tlsverify", "tlsverify", 0, kCommon, Never, "Use TLS and verify the client"),
    directive<&S::userland_proxy, Boolean>("userland-proxy", "userland-proxy", 0, kBridge, Never,
                                           "Accepted for Docker's sake: published ports are reached on loopback too without any process"),
    directive<&S::userns_remap, Text>("userns-remap", "userns-remap", 0, "", Never, "User/Group setting for user namespaces: default, user[:group] or uid[:gid]"),
};

constexpr Unsupported kUnsupported[] = {
    {"allow-direct-routing", "allow-direct-routing", 0, true},
    {"allow-nondistributable-artifacts", "allow-nondistributable-artifacts"},
    {"api-cors-header", "api-cors-header"},
    {"authorization-plugins", "authorization-plugin"},
    {"bridge-accept-fwmark", "bridge-accept-fwmark"},
    {"builder", ""},
    {"cdi-spec-dirs", "cdi-spec-dir"},
    {"containerd", "containerd"},
    {"containerd-namespace", "containerd-namespace"},
    {"containerd-plugin-namespace", "containerd-plugins-namespace"},
    {"cpu-rt-period", "cpu-rt-period"},
    {"cpu-rt-runtime", "cpu-rt-runtime"},
    {"cri-containerd", "cri-containerd", 0, true},
    {"default-network-opts", "default-network-opt"},
    {"firewall-backend", "firewall-backend"},
    {"host-gateway-ip", "host-gateway-ip"},
    {"host-gateway-ips", ""},
    {"ip-forward-no-drop", "ip-forward-no-drop", 0, true},
    {"ip6tables", "ip6tables", 0, true},
    {"metrics-addr", "metrics-addr"},
    {"network-control-plane-mtu", "network-control-plane-mtu"},
    {"network-diagnostic-port", "network-diagnostic-port"},
    {"node-generic-resources", "node-generic-resource"},
    {"nri-opts", "nri-opts"},
    {"raw-logs", "raw-logs", 0, true},
    {"resolv-conf", ""},
    {"restart", "restart", 'r', true},
    {"rootless", "rootless", 0, true},
    {"selinux-enabled", "selinux-enabled", 0, true},
    {"storage-opts", "storage-opt"},
    {"swarm-default-advertise-addr", "swarm-default-advertise-addr"},
    {"swarm-raft-election-tick", ""},
    {"swarm-raft-heartbeat-tick", ""},
    {"userland-proxy-path", "userland-proxy-path"},
};

}  // namespace

std::span<const Directive> directives() { return kDirectives; }
std::span<const Unsupported> unsupported_directives() { return kUnsupported; }

const Directive* find_directive_by_key(std::string_view key) {
    auto found = std::find_if(std::begin(kDirectives), std::end(kDirectives), [&](const Directive& one) { return one.key == key; });
    return found == std::end(kDirectives) ? nullptr : found;
}

const Directive* find_directive_by_flag(std::string_view flag) {
    auto found = std::find_if(std::begin(kDirectives), std::end(kDirectives), [&](const Directive& one) { return one.flag == flag; });
    return found == std::end(kDirectives) ? nullptr : found;
}

std::string go_text(const json::Value& value) {
    if (value.is_null()) return "<nil>";
    if (value.is_string()) return value.as_string();
    std::vector<std::string> pieces;
    if (value.is_array()) {
        for (auto& item : value.as_array()) pieces.push_back(go_text(item));
        return shown_list(pieces);
    }
    if (!value.is_object()) return json::print(value);
    for (auto& member : value.as_object()) pieces.push_back(concat(member.name, ':', go_text(member.value)));
    std::sort(pieces.begin(), pieces.end());
    return concat("map", shown_list(pieces));
}

Result<std::string> check_label(std::string_view label) {
    if (!cut(label, "=")) return invalid(concat("bad attribute format: ", label));
    return std::string(label);
}

Result<std::string> check_search_domain(std::string_view domain) {
    auto bad = [&] { return invalid(concat(domain, " is not a valid domain")); };
    std::string_view plain = trim(domain);
    if (plain == ".") return std::string(plain);
    if (plain.empty() || plain.size() > 255) return bad();
    std::string_view labels = trim_suffix(plain, ".");
    bool has_letter = false;
    for (auto& label : split(labels, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return bad();
        for (unsigned char c : label) {
            if (!isalnum(c) && c != '-' && c != '_') return bad();
            has_letter |= isalpha(c) != 0;
        }
    }
    if (!has_letter) return bad();
    return std::string(plain);
}

Result<std::string> check_mirror(std::string_view mirror) {
    auto parts = cut(mirror, "://");
    std::string_view scheme = parts ? parts->first : "";
    if (scheme != "http" && scheme != "https") return invalid(concat("invalid mirror: unsupported scheme ", quote(scheme), " in ", quote(mirror)));
    if (mirror.find_first_of("?#") != mirror.npos) return invalid(concat("invalid mirror: query or fragment at end of the URI ", quote(mirror)));
    std::string_view authority = parts->second.substr(0, parts->second.find('/'));
    if (auto user = cut(authority, "@")) {
        std::string hidden = concat(scheme, "://", cut(user->first, ":") ? concat(cut(user->first, ":")->first, ":xxxxx") : std::string(user->first), '@',
                                    user->second, parts->second.substr(authority.size()));
        return invalid(concat("invalid mirror: username/password not allowed in URI ", quote(hidden)));
    }
    auto bad_uri = [&](std::string_view why) {
        return invalid(concat("invalid mirror: ", quote(mirror), " is not a valid URI: parse ", quote(mirror), ": ", why));
    };
    if (authority.empty()) return bad_uri("no host");
    for (char c : authority)
        if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '<' || c == '>')
            return bad_uri(concat("invalid character ", quote(std::string(1, c)), " in host name"));
    size_t colon = authority.rfind(':');
    if (colon != authority.npos && authority.back() != ']') {
        std::string_view port = authority.substr(colon);
        if (port.size() > 1 && !parse_uint(port.substr(1))) return bad_uri(concat("invalid port ", quote(port), " after host"));
    }
    return mirror.ends_with('/') ? std::string(mirror) : concat(mirror, '/');
}

Result<docker::Ulimit> parse_ulimit(std::string_view text) {
    auto parts = cut(text, "=");
    if (!parts) return invalid(concat("invalid ulimit argument: ", text));
    docker::Ulimit ulimit{std::string(parts->first), 0, 0};
    if (!container::rlimit_number(ulimit.name)) return invalid(concat("invalid ulimit type: ", ulimit.name));
    auto limits = split(parts->second, ':');
    if (limits.size() > 2) return invalid(concat("too many limit value arguments - ", parts->second, ", can only have up to two, `soft[:hard]`"));
    std::vector<int64_t> numbers;
    for (auto& limit : limits) {
        auto number = parse_int(limit);
        if (!number) return invalid(concat("strconv.ParseInt: parsing ", quote(limit), ": invalid syntax"));
        numbers.push_back(*number);
    }
    ulimit.soft = numbers.front();
    ulimit.hard = numbers.back();
    TRY(check_ulimit(ulimit));
    return ulimit;
}

Result<void> check_ulimit(const docker::Ulimit& ulimit) {
    if (!container::rlimit_number(ulimit.name)) return invalid(concat("invalid ulimit type: ", ulimit.name));
    if (ulimit.hard == -1) return {};
    if (ulimit.soft == -1) return invalid(concat("ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ", ulimit.hard));
    if (ulimit.soft > ulimit.hard) return invalid(concat("ulimit soft limit must be less than or equal to hard limit: ", ulimit.soft, " > ", ulimit.hard));
    return {};
}

}  // namespace proa::engine
