#include "engine/network_options.h"

#include <netinet/in.h>

#include "base/text.h"

namespace proa::engine {

namespace {

constexpr std::string_view kBridgePrefix = "com.docker.network.bridge.";
constexpr std::string_view kPrefix = "com.docker.network.";
constexpr size_t kInterfaceNameMax = 15;

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

Result<bool> parse_flag(const std::string& name, const std::string& value) {
    auto flag = parse_bool(value);
    if (!flag) return invalid(concat("failed to parse ", name, " value: ", quote(value), " (strconv.ParseBool: parsing ", quote(value), ": invalid syntax)"));
    return *flag;
}

Result<BridgeDriverOptions::GatewayMode> parse_gateway_mode(const std::string& name, const std::string& value) {
    using enum BridgeDriverOptions::GatewayMode;
    if (value == "nat") return Nat;
    if (value == "nat-unprotected") return NatUnprotected;
    if (value == "isolated") return Isolated;
    if (value == "routed") return fail(ErrorKind::Unsupported, concat(name, "=routed is not supported yet by this engine"));
    return invalid(concat("unknown gateway mode ", value));
}

Result<uint32_t> parse_mtu(const std::string& value) {
    auto mtu = parse_int(value);
    if (!mtu || *mtu < 0 || *mtu > 65535) return invalid(concat("invalid com.docker.network.driver.mtu: ", quote(value)));
    return static_cast<uint32_t>(*mtu);
}

Result<void> set_bridge_option(BridgeDriverOptions& out, std::string_view name, const std::string& label, const std::string& value) {
    if (name == "name") {
        if (value.size() > kInterfaceNameMax || value.find('/') != std::string::npos) return invalid(concat("invalid bridge name: ", quote(value)));
        out.name = value;
    } else if (name == "enable_ip_masquerade") {
        out.masquerade = TRY(parse_flag(label, value));
    } else if (name == "enable_icc") {
        out.icc = TRY(parse_flag(label, value));
    } else if (name == "inhibit_ipv4") {
        out.inhibit_ipv4 = TRY(parse_flag(label, value));
    } else if (name == "host_binding_ipv4") {
        auto address = os::IpAddress::parse(value);
        if (!address || !address->is_v4()) return invalid(concat("failed to parse ", label, " value: ", quote(value), " (no IPv4 address)"));
        out.host_binding = *address;
    } else if (name == "gateway_mode_ipv4") {
        out.gateway_mode4 = TRY(parse_gateway_mode(label, value));
    } else if (name == "gateway_mode_ipv6") {
        out.gateway_mode6 = TRY(parse_gateway_mode(label, value));
    } else if (name == "default_bridge") {
        if (TRY(parse_flag(label, value))) return fail(ErrorKind::Forbidden, "only one default bridge network is allowed");
    } else if (name == "trusted_host_interfaces") {
        return fail(ErrorKind::Unsupported, concat("driver option ", label, " is not supported yet by this engine"));
    }
    return {};
}

enum class Family { V4, V6 };

/// Checks one IPAM entry and collects what is wrong with it, as Docker words it.
class EntryCheck {
public:
    EntryCheck(IpamPlan& plan, std::vector<std::string>& faults) : plan_(plan), faults_(faults) {}

    void check(const docker::IpamConfig& config, bool ipv6) {
        auto subnet = os::IpPrefix::parse(config.subnet);
        if (!subnet) return fault(concat("invalid subnet ", config.subnet, ": invalid CIDR block notation"));
        family_ = subnet->address.is_v4() ? Family::V4 : Family::V6;
        if (subnet->network() != *subnet) fault(concat("invalid subnet ", config.subnet, ": it should be ", subnet->network().text()));
        if (family_ == Family::V6 && !ipv6) return;  // as Docker: an IPv6 subnet of a network without IPv6 is left alone
        IpamFamily& into = family_ == Family::V4 ? plan_.v4 : plan_.v6;
        if (!into.subnet.is_none()) {
            second_subnet = true;
            return;
        }
        into.subnet = subnet->network();
        if (!config.ip_range.empty()) check_range(config.ip_range, into);
        if (!config.gateway.empty())
            if (auto gateway = check_address("gateway", config.gateway, into.subnet)) into.gateway = *gateway;
        for (auto& [name, text] : config.auxiliary_addresses)
            if (auto address = check_address("auxiliary address", text, into.subnet)) into.reserved.push_back(*address);
    }
    bool second_subnet = false;

private:
    void fault(std::string text) { faults_.push_back(std::move(text)); }
    std::string_view family_name() const { return family_ == Family::V4 ? "IPv4" : "IPv6"; }

    void check_range(const std::string& text, IpamFamily& into) {
        auto range = os::IpPrefix::parse(text);
        auto bad = [&](std::string why) { fault(concat("invalid ip-range ", text, ": ", why)); };
        if (!range) return bad("invalid CIDR block notation");
        if (range->address.family() != into.subnet.address.family()) return bad(concat("parent subnet is an ", family_name(), " block"));
        if (range->length < into.subnet.length) return bad(concat("CIDR block is bigger than its parent subnet ", into.subnet.text()));
        if (range->network() != *range) return bad(concat("it should be ", range->network().text()));
        if (!into.subnet.contains(*range)) return bad(concat("parent subnet ", into.subnet.text(), " doesn't contain ip-range"));
        into.range = *range;
    }
    std::optional<os::IpAddress> check_address(std::string_view what, const std::string& text, const os::IpPrefix& subnet) {
        auto address = os::IpAddress::parse(text);
        auto bad = [&](std::string why) { fault(concat("invalid ", what, " ", text, ": ", why)); };
        if (!address) return bad("invalid address"), std::nullopt;
        if (address->family() != subnet.address.family()) return bad(concat("parent subnet is an ", family_name(), " block")), std::nullopt;
        if (!subnet.contains(*address)) return bad(concat("parent subnet ", subnet.text(), " doesn't contain this address")), std::nullopt;
        return address;
    }

    IpamPlan& plan_;
    std::vector<std::string>& faults_;
    Family family_ = Family::V4;
};

}  // namespace

Result<BridgeDriverOptions> parse_bridge_options(const docker::StringMap& options, uint32_t default_mtu) {
    BridgeDriverOptions out;
    out.mtu = default_mtu;
    for (auto& [label, value] : options) {
        if (label.starts_with(kBridgePrefix)) {
            TRY(set_bridge_option(out, std::string_view(label).substr(kBridgePrefix.size()), label, value));
            continue;
        }
        auto name = trim_prefix(label, kPrefix);
        if (name == "driver.mtu") out.mtu = TRY(parse_mtu(value));
        else if (name == "container_iface_prefix") out.interface_prefix = value;
        else if (name == "host_ipv4" || name == "host_ipv6")
            return fail(ErrorKind::Unsupported, concat("driver option ", label, " is not supported yet by this engine"));
    }
    if (out.mtu == 0) out.mtu = default_mtu;
    if (out.interface_prefix.empty() || out.interface_prefix.size() > kInterfaceNameMax - 3) return invalid(concat("invalid com.docker.network.container_iface_prefix: ", quote(out.interface_prefix)));
    return out;
}

Result<ParentDriverOptions> parse_parent_options(const std::string& driver, const docker::StringMap& options, bool internal) {
    ParentDriverOptions out;
    auto value_of = [&](const std::string& name) {
        auto found = options.find(name);
        return found == options.end() ? std::string() : found->second;
    };
    out.parent = value_of("parent");
    out.mode = value_of(driver + "_mode");
    out.flag = value_of("ipvlan_flag");
    const bool macvlan = driver == "macvlan";
    auto is = [](const std::string& value, std::initializer_list<std::string_view> known) {
        return value.empty() || std::find(known.begin(), known.end(), value) != known.end();
    };
    if (macvlan ? !is(out.mode, {"bridge", "private", "vepa", "passthru"}) : !is(out.mode, {"l2", "l3", "l3s"}))
        return invalid(concat("requested ", driver, " mode '", out.mode, "' is not valid, '", macvlan ? "bridge" : "l2", "' mode is the ", driver, " driver default"));
    if (!macvlan && !is(out.flag, {"bridge", "private", "vepa"}))
        return invalid(concat("requested ipvlan flag '", out.flag, "' is not valid, 'bridge' flag is the ipvlan driver default"));
    if (out.mode.empty()) out.mode = macvlan ? "bridge" : "l2";
    if (out.flag.empty()) out.flag = "bridge";
    if (out.parent == "lo") return invalid(concat("loopback interface is not a valid ", driver, " parent link"));
    if (out.parent.empty() && !internal)
        return fail(ErrorKind::Unsupported, concat(driver, " networks without -o parent are not supported yet by this engine unless they are internal"));
    return out;
}

Result<IpamPlan> parse_ipam(const docker::Ipam& ipam, bool ipv4, bool ipv6) {
    IpamPlan plan;
    std::vector<std::string> faults;
    EntryCheck check(plan, faults);
    for (auto& config : ipam.config.value_or(std::vector<docker::IpamConfig>())) {
        bool nothing = config.subnet.empty() && config.ip_range.empty() && config.gateway.empty() && config.auxiliary_addresses.empty();
        if (nothing) continue;
        if (config.subnet.empty()) {
            faults.push_back("invalid subnet : invalid CIDR block notation");
            continue;
        }
        check.check(config, ipv6);
    }
    if (!faults.empty()) return invalid(concat("invalid network config:\n", join(faults, "\n")));
    if (check.second_subnet) return fail(ErrorKind::Forbidden, "bridge driver doesn't support multiple subnets");
    if (!ipv4 && !plan.v4.subnet.is_none()) return invalid(concat("IPv4 subnet ", plan.v4.subnet.text(), " is configured, but IPv4 is disabled"));
    return plan;
}

}  // namespace proa::engine
