#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspect_output.h"
#include "cli/natural_order.h"
#include "cli/table.h"
#include "cli/units.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
const Flag kListFlags[] = {
    {"filter", 'f', FlagType::Filter, "Provide filter values (e.g. \"driver=bridge\")"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"no-trunc", 0, FlagType::Bool, "Do not truncate the output"},
    {"quiet", 'q', FlagType::Bool, "Only display network IDs"},
};
const Flag kCreateFlags[] = {
    {"attachable", 0, FlagType::Bool, "Enable manual container attachment"},
    {"aux-address", 0, FlagType::Map, "Auxiliary IPv4 or IPv6 addresses used by Network driver", "(default map[])"},
    {"config-from", 0, FlagType::String, "The network from which to copy the configuration"},
    {"config-only", 0, FlagType::Bool, "Create a configuration only network"},
    {"driver", 'd', FlagType::String, "Driver to manage the Network", "(default \"bridge\")", "bridge"},
    {"gateway", 0, FlagType::IpSlice, "IPv4 or IPv6 Gateway for the master subnet"},
    {"ingress", 0, FlagType::Bool, "Create swarm routing-mesh network"},
    {"internal", 0, FlagType::Bool, "Restrict external access to the network"},
    {"ip-range", 0, FlagType::StringSlice, "Allocate container ip from a sub-range"},
    {"ipam-driver", 0, FlagType::String, "IP Address Management Driver", "(default \"default\")", "default"},
    {"ipam-opt", 0, FlagType::Map, "Set IPAM driver specific options", "(default map[])"},
    {"ipv4", 0, FlagType::Bool, "Enable or disable IPv4 address assignment", "(default true)", "true"},
    {"ipv6", 0, FlagType::Bool, "Enable or disable IPv6 address assignment"},
    {"label", 0, FlagType::List, "Set metadata on a network"},
    {"opt", 'o', FlagType::Map, "Set driver specific options", "(default map[])"},
    {"scope", 0, FlagType::String, "Control the network's scope"},
    {"subnet", 0, FlagType::StringSlice, "Subnet in CIDR format that represents a network segment"},
};
const Flag kConnectFlags[] = {
    {"alias", 0, FlagType::StringSlice, "Add network-scoped alias for the container"},
    {"driver-opt", 0, FlagType::StringSlice, "driver options for the network"},
    {"gw-priority", 0, FlagType::Int, "Highest gw-priority provides the default gateway. Accepts positive and negative values."},
    {"ip", 0, FlagType::Ip, "IPv4 address (e.g., \"172.30.100.104\")"},
    {"ip6", 0, FlagType::Ip, "IPv6 address (e.g., \"2001:db8::33\")"},
    {"link", 0, FlagType::List, "Add link to another container"},
    {"link-local-ip", 0, FlagType::IpSlice, "Add a link-local address for the container"},
};
const Flag kForceFlag[] = {{"force", 'f', FlagType::Bool, "Force the container to disconnect from a network"}};
const Flag kRemoveFlags[] = {{"force", 'f', FlagType::Bool, "Do not error if the network does not exist"}};

const Column kColumns[] = {{"ID", "NETWORK ID"}, {"Name", "NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}, {"IPv4", "IPV4"},
                           {"IPv6", "IPV6"}, {"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"}};

json::Object map_object(const std::vector<std::string>& items) {
    json::Object map;
    for (auto& item : items) {
        auto parts = cut(item, "=");
        map.set(parts ? parts->first : std::string_view(item), parts ? json::Value(parts->second) : json::Value(""));
    }
    map.sort();
    return map;
}

Result<int> list(Invocation& call) {
    auto& flags = call.flags;
    bool quiet = flags.is("quiet");
    std::string chosen = list_format(call, "networksFormat");
    if (quiet && !flags.changed("format")) chosen.clear();
    auto format = TRY(Format::make(chosen, {"{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", "{{.ID}}",
                                            quiet ? "network_id: {{.ID}}" : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"}, quiet));
    client::Call request{.path = "/networks"};
    if (auto filters = client::filters_text(collect_filters(flags.list("filter"))); !filters.empty()) request.query.emplace_back("filters", filters);
    client::Client& engine = *TRY(ready_engine(call));
    json::Value answer = TRY(engine.json(request));
    std::vector<const json::Value*> networks;
    for (auto& network : answer.as_array()) networks.push_back(&network);
    std::stable_sort(networks.begin(), networks.end(), [](auto* a, auto* b) { return natural_less((*a)["Name"].as_string(), (*b)["Name"].as_string()); });
    std::vector<Row> rows;
    for (auto* network : networks) {
        const json::Value& each = *network;
        std::vector<std::string> labels;
        for (auto& member : each["Labels"].as_object()) labels.push_back(concat(member.name, '=', member.value.as_string()));
        std::sort(labels.begin(), labels.end());
        Row row;
        const std::string& id = each["Id"].as_string();
        row.fields = {{"CreatedAt", go_time_text(each["Created"].as_string())}, {"Driver", each["Driver"].as_string()},
                      {"ID", flags.is("no-trunc") ? id : truncated_id(id)}, {"IPv4", concat(each["EnableIPv4"].as_bool())},
                      {"IPv6", concat(each["EnableIPv6"].as_bool())}, {"Internal", concat(each["Internal"].as_bool())},
                      {"Labels", join(labels, ",")}, {"Name", each["Name"].as_string()}, {"Scope", each["Scope"].as_string()}};
        row.label = [network](std::string_view key) {
            auto* found = (*network)["Labels"].as_object().find(key);
            return found ? found->as_string() : "";
        };
        rows.push_back(std::move(row));
    }
    put(TRY(format.print({"networkContext", kColumns}, rows)));
    return 0;
}

/// Subnets with the ranges, gateways and reserved addresses that lie in them.
Result<json::Array> ipam_config(const FlagSet& flags) {
    auto invalid = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    struct Pool {
        os::IpPrefix prefix;
        bool valid;
        json::Object config;
    };
    std::vector<Pool> pools;
    auto &ranges = flags.list("ip-range"), &gateways = flags.list("gateway");
    if (flags.list("subnet").size() < ranges.size() || flags.list("subnet").size() < gateways.size())
        return invalid("every ip-range or gateway must have a corresponding subnet");
    for (auto& subnet : flags.list("subnet")) {
        auto prefix = os::IpPrefix::parse(subnet);
        if (prefix)
            for (auto& pool : pools)
                if (pool.valid && pool.prefix.overlaps(*prefix)) return invalid("multiple overlapping subnet configuration is not supported");
        pools.push_back({prefix.value_or(os::IpPrefix{}), prefix.has_value(), {{"Subnet", subnet}}});
    }
    auto owner = [&](const std::string& address) -> Pool* {
        auto ip = os::IpAddress::parse(address.substr(0, address.find('/')));
        for (auto& pool : pools)
            if (ip && pool.valid && pool.prefix.contains(*ip)) return &pool;
        return nullptr;
    };
    for (auto& range : ranges) {
        Pool* pool = owner(range);
        if (!pool) return invalid(concat("no matching subnet for range ", range));
        if (pool->config.find("IPRange")) return invalid(concat("cannot configure multiple ranges (", range, ", ", pool->config.find("IPRange")->as_string(), ") on the same subnet (", pool->config.find("Subnet")->as_string(), ")"));
        pool->config.set("IPRange", range);
    }
    for (auto& gateway : gateways) {
        Pool* pool = owner(gateway);
        if (!pool) return invalid(concat("no matching subnet for gateway ", gateway));
        if (pool->config.find("Gateway")) return invalid(concat("cannot configure multiple gateways (", gateway, ", ", pool->config.find("Gateway")->as_string(), ") for the same subnet (", pool->config.find("Subnet")->as_string(), ")"));
        pool->config.set("Gateway", gateway);
    }
    for (auto& member : map_object(flags.list("aux-address"))) {
        Pool* pool = owner(member.value.as_string());
        if (!pool) return invalid(concat("no matching subnet for aux-address ", member.value.as_string()));
        pool->config["AuxiliaryAddresses"].object().set(member.name, member.value);
    }
    json::Array all;
    for (auto& pool : pools) all.emplace_back(std::move(pool.config));
    return all;
}

Result<int> create(Invocation& call) {
    auto& flags = call.flags;
    json::Object body{{"Name", call.arguments[0]}, {"Driver", flags.text("driver")}, {"Scope", flags.text("scope")}};
    if (flags.changed("ipv4")) body.set("EnableIPv4", flags.is("ipv4"));
    if (flags.changed("ipv6")) body.set("EnableIPv6", flags.is("ipv6"));
    body.set("IPAM", json::Object{{"Driver", flags.text("ipam-driver")}, {"Options", map_object(flags.list("ipam-opt"))}, {"Config", TRY(ipam_config(flags))}});
    body.set("Internal", flags.is("internal"));
    body.set("Attachable", flags.is("attachable"));
    body.set("Ingress", flags.is("ingress"));
    body.set("ConfigOnly", flags.is("config-only"));
    body.set("ConfigFrom", flags.text("config-from").empty() ? json::Value() : json::Value(json::Object{{"Network", flags.text("config-from")}}));
    body.set("Options", map_object(flags.list("opt")));
    body.set("Labels", map_object(flags.list("label")));
    client::Client& engine = *TRY(ready_engine(call));
    TRY(engine.negotiate());
    if (!engine.version_at_least("1.44")) body.set("CheckDuplicate", true);
    json::Value answer = TRY(engine.json({.method = "POST", .path = "/networks/create", .body = json::Value(std::move(body))}));
    put_line(answer["Id"].as_string());
    return 0;
}

Result<int> connect(Invocation& call) {
    auto& flags = call.flags;
    json::Object ipam, options;
    if (auto ip = flags.text("ip"); !ip.empty()) ipam.set("IPv4Address", ip);
    if (auto ip = flags.text("ip6"); !ip.empty()) ipam.set("IPv6Address", ip);
    if (!flags.list("link-local-ip").empty()) ipam.set("LinkLocalIPs", json::Value::strings(flags.list("link-local-ip")));
    for (auto& option : flags.list("driver-opt")) {
        auto parts = cut(option, "=");
        if (!parts) return fail(ErrorKind::InvalidArgument, "invalid key/value pair format in driver options");
        options.set(trim(parts->first), trim(parts->second));
    }
    json::Object settings{{"IPAMConfig", std::move(ipam)}};
    if (!flags.list("link").empty()) settings.set("Links", json::Value::strings(flags.list("link")));
    settings.set("Aliases", json::Value::strings(flags.list("alias")));
    settings.set("DriverOpts", std::move(options));
    if (flags.changed("gw-priority")) settings.set("GwPriority", flags.integer("gw-priority"));
    json::Object body{{"Container", call.arguments[1]}, {"EndpointConfig", std::move(settings)}};
    client::Client& engine = *TRY(ready_engine(call));
    TRY(engine.text({.method = "POST", .path = concat("/networks/", call.arguments[0], "/connect"), .body = json::Value(std::move(body))}));
    return 0;
}

Result<int> disconnect(Invocation& call) {
    json::Object body{{"Container", call.arguments[1]}, {"Force", call.flags.is("force")}};
    client::Client& engine = *TRY(ready_engine(call));
    TRY(engine.text({.method = "POST", .path = concat("/networks/", call.arguments[0], "/disconnect"), .body = json::Value(std::move(body))}));
    return 0;
}

Result<int> remove(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    bool failed = false;
    for (auto& name : call.arguments) {
        auto removed = engine.text({.method = "DELETE", .path = "/networks/" + name});
        if (removed) {
            put_line(name);
            continue;
        }
        if (call.flags.is("force") && removed.error().is(ErrorKind::NotFound)) continue;
        put_error_line(removed.error().message());
        failed = true;
    }
    return failed ? 1 : 0;
}
}  // namespace

const Command kNetworkList = {"[OPTIONS]", "List networks", kListFlags, kNoArguments, list};
const Command kNetworkCreate = {"[OPTIONS] NETWORK", "Create a network", kCreateFlags, exactly(1), create};
const Command kNetworkConnect = {"[OPTIONS] NETWORK CONTAINER", "Connect a container to a network", kConnectFlags, exactly(2), connect};
const Command kNetworkDisconnect = {"[OPTIONS] NETWORK CONTAINER", "Disconnect a container from a network", kForceFlag, exactly(2), disconnect};
const Command kNetworkRemove = {"NETWORK [NETWORK...]", "Remove one or more networks", kRemoveFlags, at_least(1), remove};

}  // namespace proa::cli
