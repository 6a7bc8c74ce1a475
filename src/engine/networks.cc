#include "engine/networks.h"

#include <linux/netlink.h>

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "engine/settings.h"
#include "network/parent_link.h"
#include "os/file.h"

namespace proa::engine {

namespace {

constexpr const char* kDefaultBridgeName = "proa0";

std::string bridge_name(const NetworkRecord& record, const BridgeDriverOptions& options) {
    return options.name.empty() ? concat("br-", short_id(record.shown.id)) : options.name;
}

Result<std::optional<os::IpPrefix>> parse_setting(std::string_view key, const std::string& text) {
    if (text.empty()) return std::optional<os::IpPrefix>();
    auto prefix = os::IpPrefix::parse(text);
    if (!prefix) return fail(ErrorKind::InvalidArgument, concat("invalid ", key, ": ", text));
    return prefix;
}

void set_config(docker::Network& network, bool ipv6, const os::IpPrefix& subnet, const os::IpAddress& gateway) {
    if (!network.ipam.config) network.ipam.config.emplace();
    for (auto& config : *network.ipam.config) {
        auto prefix = os::IpPrefix::parse(config.subnet);
        if (prefix && prefix->address.is_v6() == ipv6) return;
    }
    network.ipam.config->push_back(docker::IpamConfig{subnet.text(), "", gateway.is_none() ? "" : gateway.text(), {}});
}

std::vector<os::IpAddress> reserved_of(const IpamPlan& plan) {
    std::vector<os::IpAddress> all = plan.v4.reserved;
    all.insert(all.end(), plan.v6.reserved.begin(), plan.v6.reserved.end());
    return all;
}

/// The bridge's address: the gateway that was asked for, or the subnet's first.
std::optional<os::IpPrefix> bridge_address(const IpamFamily& family) {
    if (family.subnet.is_none()) return std::nullopt;
    if (family.gateway.is_none()) return network::first_host(family.subnet);
    return os::IpPrefix{family.gateway, family.subnet.length};
}

}  // namespace

std::optional<NetworkDriver> network_driver(std::string_view name) {
    using enum NetworkDriver;
    if (name == "bridge" || name.empty() || name == "default") return Bridge;
    if (name == "host") return Host;
    if (name == "null") return None;
    if (name == "macvlan") return Macvlan;
    if (name == "ipvlan") return Ipvlan;
    return std::nullopt;
}

network::FirewallBridge firewall_bridge(const Network& network) {
    auto bridge = network::FirewallBridge::of(network.live().bridge->bridge());
    using enum BridgeDriverOptions::GatewayMode;
    bridge.open = network.live().options.gateway_mode4 == NatUnprotected || network.live().options.gateway_mode6 == NatUnprotected;
    return bridge;
}

Networks::~Networks() = default;

Result<std::unique_ptr<Networks>> Networks::open(const Settings& settings, const Paths& paths, os::IdMaps owner) {
    std::unique_ptr<Networks> self(new Networks);
    self->owner_ = std::move(owner);
    self->host_ = TRY(os::NetlinkSocket::open(NETLINK_ROUTE));
    self->records_.emplace(TRY(store::Records::open(paths.data_root + "/networks.db", nullptr)));
    TRY(self->records_->run("CREATE TABLE IF NOT EXISTS networks(id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"));
    self->default_mtu_ = static_cast<uint32_t>(settings.mtu);
    self->ip_forward_ = settings.ip_forward;
    if (settings.default_address_pools.empty()) self->subnet_pools_ = network::default_subnet_pools();
    for (auto& pool : settings.default_address_pools) {
        auto base = os::IpPrefix::parse(pool.base);
        if (!base) return fail(ErrorKind::InvalidArgument, concat("invalid default-address-pool base: ", pool.base));
        self->subnet_pools_.push_back(network::SubnetPool{base->network(), static_cast<int>(pool.size)});
    }
    std::string bridge = settings.bridge.empty() || settings.bridge == "none" ? kDefaultBridgeName : settings.bridge;
    if (settings.iptables) self->firewall_ = TRY(network::Firewall::open(bridge == kDefaultBridgeName ? "proa" : concat("proa-", bridge)));
    self->ports_ = std::make_unique<PortPublisher>(self->firewall_.get(), os::IpAddress::parse(settings.ip).value_or(os::IpAddress::any4()));
    std::string programs = os::directory_of(os::read_link("/proc/self/exe").value_or("/usr/libexec/proa/proad"));
    self->names_ = std::make_unique<NameService>(programs + "/proa-resolver", paths.exec_root + "/resolver.sock");
    std::vector<int> watched;
    if (self->firewall_) watched.push_back(self->firewall_->watch_fd());
    self->watch_ = TRY(os::combine_readable(watched));
    self->names_->watch_with(self->watch_.get());
    TRY(self->load(settings));
    for (auto& warning : self->warnings()) log::warn(warning);
    return self;
}

Result<void> Networks::load(const Settings& settings) {
    std::vector<NetworkRecord> records;
    for (auto& row : TRY(records_->rows("SELECT id,record FROM networks"))) {
        auto record = json::decode<NetworkRecord>(row.text(1));
        if (!record || record->shown.id != row.text(0)) {
            log::error(concat("the record of network ", row.text(0), " is damaged and is ignored: ", record ? "its id is wrong" : record.error().message()));
            continue;
        }
        records.push_back(std::move(*record));
    }
    std::sort(records.begin(), records.end(), [](auto& a, auto& b) { return a.shown.created < b.shown.created; });
    for (auto& record : records) {
        auto driver = record.shown.config_only ? NetworkDriver::Configuration : network_driver(record.shown.driver).value_or(NetworkDriver::Bridge);
        if (record.shown.name == "bridge" || record.shown.name == "host" || record.shown.name == "none") continue;
        auto live = bring_up(record, driver);
        auto network = std::make_shared<Network>(record, driver);
        if (live) {
            network->set_live(std::move(*live));
        } else {
            log::error(concat("network ", record.shown.name, " could not be brought up: ", live.error().message()));
            Network::Live failed;
            failed.failure = live.error().message();
            network->set_live(std::move(failed));
        }
        networks_.push_back(std::move(network));
    }
    std::map<std::string, NetworkRecord> predefined;
    for (auto& record : records) predefined[record.shown.name] = record;
    auto keep = [&](std::string name, std::string driver) -> Result<NetworkRecord> {
        if (auto known = predefined.find(name); known != predefined.end()) return known->second;
        NetworkRecord record;
        record.shown.name = std::move(name);
        record.shown.id = random_id();
        record.shown.created = now();
        record.shown.driver = std::move(driver);
        TRY(save(record));
        return record;
    };
    if (settings.bridge != "none") {
        auto record = TRY(keep("bridge", "bridge"));
        auto network = TRY(make_default_bridge(settings, std::move(record)));
        networks_.push_back(std::move(network));
    }
    networks_.push_back(std::make_shared<Network>(TRY(keep("host", "host")), NetworkDriver::Host));
    networks_.push_back(std::make_shared<Network>(TRY(keep("none", "null")), NetworkDriver::None));
    return make_pools();
}

Result<NetworkPointer> Networks::make_default_bridge(const Settings& settings, NetworkRecord record) {
    network::NetworkOptions options;
    options.bridge.name = settings.bridge.empty() ? kDefaultBridgeName : settings.bridge;
    options.bridge.managed = settings.bridge.empty() || !settings.bip.empty();
    options.bridge.address = TRY(parse_setting("bip", settings.bip));
    options.bridge.address6 = TRY(parse_setting("bip6", settings.bip6));
    options.bridge.ipv6 = settings.ipv6;
    options.range = TRY(parse_setting("fixed-cidr", settings.fixed_cidr));
    options.range6 = TRY(parse_setting("fixed-cidr-v6", settings.fixed_cidr_v6));
    for (auto& [text, into] : {std::pair{&settings.default_gateway, &options.default_gateway}, {&settings.default_gateway_v6, &options.default_gateway6}})
        if (!text->empty()) *into = os::IpAddress::parse(*text);
    // As in Docker the range is the subnet only where there is no address to tell another one.
    if (options.bridge.address && options.range && !options.bridge.address->network().contains(*options.range)) options.range.reset();
    if (options.range6 && !options.bridge.address6) {
        if (options.range6->length > 120) return fail(ErrorKind::InvalidArgument, concat("invalid fixed-cidr-v6: ", settings.fixed_cidr_v6, " is too small"));
        options.bridge.address6 = network::first_host(*options.range6);
    }
    options.bridge.mtu = default_mtu_;
    options.bridge.ip_forward = ip_forward_;
    options.bridge.icc = settings.icc;
    options.bridge.masquerade = settings.ip_masq;
    options.bridge.pools = subnet_pools_;
    options.bridge.taken = subnets();
    Network::Live live;
    live.bridge = TRY(network::BridgeNetwork::create(host_, options));
    live.options.name = options.bridge.name;
    live.options.mtu = default_mtu_;
    auto& bridge = live.bridge->bridge();
    auto& shown = record.shown;
    shown.enable_ipv6 = settings.ipv6;
    shown.ipam.config.emplace();
    set_config(shown, false, bridge.address.network(), bridge.address.address);
    if (!bridge.address6.is_none()) set_config(shown, true, bridge.address6.network(), bridge.address6.address);
    shown.options = {{"com.docker.network.bridge.default_bridge", "true"},
                     {"com.docker.network.bridge.enable_icc", bridge.icc ? "true" : "false"},
                     {"com.docker.network.bridge.enable_ip_masquerade", bridge.masquerade ? "true" : "false"},
                     {"com.docker.network.bridge.host_binding_ipv4", settings.ip},
                     {"com.docker.network.bridge.name", bridge.name},
                     {"com.docker.network.driver.mtu", concat(bridge.mtu)}};
    auto network = std::make_shared<Network>(std::move(record), NetworkDriver::Bridge);
    network->set_live(std::move(live));
    return network;
}

/// Empty until reconcile(): host ends of ready namespaces must not be taken for leftovers.
Result<void> Networks::make_pools() {
    network::NamespacePool::Options options;
    options.size = 0;
    options.prefix = kInterfacePrefix;
    options.space.owner = owner_;
    bare_pool_ = TRY(network::NamespacePool::create(options));
    auto with_bridge = options;
    if (auto bridge = default_bridge()) with_bridge.bridge = bridge->live().bridge->bridge();
    bridge_pool_ = TRY(network::NamespacePool::create(std::move(with_bridge)));
    options.space.resolver = true;
    named_pool_ = TRY(network::NamespacePool::create(std::move(options)));
    return {};
}

Result<void> Networks::save(const NetworkRecord& record) {
    return records_->run("INSERT INTO networks(id,record) VALUES(?1,?2) ON CONFLICT(id) DO UPDATE SET record=?2", {record.shown.id, json::encode(record)});
}

std::vector<os::IpPrefix> Networks::subnets() const {
    std::lock_guard lock(mutex_);
    std::vector<os::IpPrefix> taken;
    for (auto& network : networks_)
        if (auto* addresses = network->addresses())
            for (auto& subnet : {addresses->subnet(), addresses->subnet6()})
                if (!subnet.is_none()) taken.push_back(subnet);
    return taken;
}

Result<NetworkPointer> Networks::find(const std::string& name) const {
    std::lock_guard lock(mutex_);
    for (auto& network : networks_)
        if (network->id() == name) return network;
    for (auto& network : networks_)
        if (network->name() == name) return network;
    NetworkPointer found;
    constexpr size_t kDigitsMin = 3;
    if (name.size() >= kDigitsMin)
        for (auto& network : networks_) {
            if (!network->id().starts_with(name)) continue;
            if (found) return fail(ErrorKind::InvalidArgument, concat("network ", name, " is ambiguous (2 matches found on ID prefix)"));
            found = network;
        }
    if (!found) return fail(ErrorKind::NotFound, concat("network ", name, " not found"));
    return found;
}

std::vector<NetworkPointer> Networks::all() const {
    std::lock_guard lock(mutex_);
    return networks_;
}

NetworkPointer Networks::default_bridge() const {
    std::lock_guard lock(mutex_);
    for (auto& network : networks_)
        if (network->is_default_bridge()) return network;
    return nullptr;
}

Result<void> Networks::check_overlap(const os::IpPrefix& subnet) const {
    for (auto& taken : subnets())
        if (taken.overlaps(subnet)) return fail(ErrorKind::Forbidden, "invalid pool request: Pool overlaps with other one on this address space");
    return {};
}

/// Subnets that the user left to us, and the record's view of them.
Result<void> Networks::choose_addresses(NetworkRecord& record, IpamPlan& plan) {
    auto& shown = record.shown;
    for (auto* family : {&plan.v4, &plan.v6})
        if (!family->subnet.is_none()) TRY(check_overlap(family->subnet));
    record.own_subnet = !plan.v4.subnet.is_none();
    record.own_subnet6 = !plan.v6.subnet.is_none();
    auto taken = subnets();
    auto used = TRY(network::subnets_in_use(host_));
    taken.insert(taken.end(), used.begin(), used.end());
    if (shown.enable_ipv4 && !record.own_subnet) {
        std::vector<network::SubnetPool> pools;
        std::copy_if(subnet_pools_.begin(), subnet_pools_.end(), std::back_inserter(pools), [](auto& pool) { return pool.base.address.is_v4(); });
        plan.v4.subnet = TRY(network::choose_subnet(pools, taken));
        plan.v4.gateway = network::first_host(plan.v4.subnet).address;
        set_config(shown, false, plan.v4.subnet, plan.v4.gateway);
    }
    if (!shown.enable_ipv6 || record.own_subnet6) return {};
    std::vector<network::SubnetPool> pools;
    std::copy_if(subnet_pools_.begin(), subnet_pools_.end(), std::back_inserter(pools), [](auto& pool) { return pool.base.address.is_v6(); });
    plan.v6.subnet = pools.empty() ? network::random_ula() : TRY(network::choose_subnet(pools, taken));
    plan.v6.gateway = network::first_host(plan.v6.subnet).address;
    set_config(shown, true, plan.v6.subnet, plan.v6.gateway);
    return {};
}

Result<Network::Live> Networks::bring_up(NetworkRecord& record, NetworkDriver driver) {
    if (driver == NetworkDriver::Bridge) return bring_up_bridge(record);
    if (driver == NetworkDriver::Macvlan || driver == NetworkDriver::Ipvlan) return bring_up_parent(record);
    return Network::Live{};
}

Result<Network::Live> Networks::bring_up_bridge(NetworkRecord& record) {
    auto& shown = record.shown;
    Network::Live live;
    live.options = TRY(parse_bridge_options(shown.options, default_mtu_));
    auto plan = TRY(parse_ipam(shown.ipam, shown.enable_ipv4, shown.enable_ipv6));
    using enum BridgeDriverOptions::GatewayMode;
    const bool isolated = live.options.gateway_mode4 == Isolated || live.options.gateway_mode6 == Isolated;
    network::NetworkOptions options;
    options.bridge.name = bridge_name(record, live.options);
    options.bridge.address = bridge_address(plan.v4);
    options.bridge.address6 = bridge_address(plan.v6);
    options.bridge.ipv4 = shown.enable_ipv4;
    options.bridge.ipv6 = shown.enable_ipv6;
    options.bridge.bare_ipv4 = live.options.inhibit_ipv4 || isolated;
    options.bridge.mtu = live.options.mtu;
    options.bridge.ip_forward = ip_forward_;
    options.bridge.icc = live.options.icc;
    options.bridge.masquerade = live.options.masquerade;
    options.bridge.internal = shown.internal || isolated;
    options.range = plan.v4.range;
    options.range6 = plan.v6.range;
    options.reserved = reserved_of(plan);
    live.bridge = TRY(network::BridgeNetwork::create(host_, options));
    return live;
}

Result<Network::Live> Networks::bring_up_parent(NetworkRecord& record) {
    auto& shown = record.shown;
    Network::Live live;
    live.parent = TRY(parse_parent_options(shown.driver, shown.options, shown.internal));
    auto plan = TRY(parse_ipam(shown.ipam, shown.enable_ipv4, shown.enable_ipv6));
    TRY(network::ensure_parent(host_, {.driver = shown.driver, .parent = live.parent.parent, .dummy = concat("dm-", short_id(shown.id))}));
    network::AddressSpace::Options options{
        .subnet = plan.v4.subnet, .subnet6 = plan.v6.subnet, .range = plan.v4.range, .range6 = plan.v6.range, .taken = reserved_of(plan)};
    for (auto* family : {&plan.v4, &plan.v6}) {
        if (family->subnet.is_none()) continue;
        auto gateway = bridge_address(*family)->address;
        options.taken.push_back(gateway);
        if (!shown.internal) (gateway.is_v6() ? options.gateway6 : options.gateway) = gateway;
    }
    live.addresses = TRY(network::AddressSpace::create(options));
    return live;
}

Result<NetworkPointer> Networks::add(NetworkRecord record) {
    std::lock_guard change(change_mutex_);
    auto driver = record.shown.config_only ? NetworkDriver::Configuration : network_driver(record.shown.driver).value_or(NetworkDriver::Bridge);
    for (auto& network : all())
        if (network->name() == record.shown.name) return fail(ErrorKind::Conflict, concat("network with name ", record.shown.name, " already exists"));
    std::lock_guard host(host_mutex_);
    Network::Live live;
    if (driver != NetworkDriver::Configuration) {
        auto plan = TRY(parse_ipam(record.shown.ipam, record.shown.enable_ipv4, record.shown.enable_ipv6));
        TRY(choose_addresses(record, plan));
        if (driver == NetworkDriver::Bridge) {
            auto name = bridge_name(record, TRY(parse_bridge_options(record.shown.options, default_mtu_)));
            for (auto& network : all())
                if (network->live().bridge && network->live().bridge->bridge().name == name)
                    return fail(ErrorKind::Forbidden, concat("cannot create network ", record.shown.id, " (", name, "): conflicts with network ", network->id(),
                                                             " (", name, "): networks have same bridge name"));
        }
        live = TRY(bring_up(record, driver));
    }
    auto network = std::make_shared<Network>(record, driver);
    network->set_live(std::move(live));
    auto kept = [&]() -> Result<void> {
        if (firewall_ && driver == NetworkDriver::Bridge) TRY(firewall_->add_bridge(firewall_bridge(*network)));
        return save(record);
    }();
    if (!kept) {
        (void)take_down(*network);
        return fail(std::move(kept).error());
    }
    if (driver != NetworkDriver::Configuration) named_pool_->set_size(kReadyNamed);
    std::lock_guard lock(mutex_);
    networks_.push_back(network);
    return network;
}

/// With the host's lock held. What fails is told in the log too.
Result<void> Networks::take_down(const Network& network) {
    Result<void> outcome;
    auto report = [&](Result<void> done) {
        if (done) return;
        log::error(concat("what network ", network.name(), " leaves could not be removed: ", done.error().message()));
        outcome = std::move(done);
    };
    if (network.live().bridge) {
        auto& bridge = network.live().bridge->bridge();
        if (firewall_) report(firewall_->remove_bridge(bridge.name));
        report(network::remove_bridge(host_, bridge.name));
    } else if (network.live().addresses) {
        report(network::remove_parent(
            host_, {.driver = network.shown().driver, .parent = network.live().parent.parent, .dummy = concat("dm-", short_id(network.id()))}));
    }
    return outcome;
}

Result<void> Networks::take_down_all() {
    for (auto* pool : {bridge_pool_.get(), named_pool_.get(), bare_pool_.get()}) pool->set_size(0);
    std::lock_guard host(host_mutex_);
    Result<void> outcome;
    for (auto& network : all()) {
        bool of_the_user = network->is_default_bridge() && network->live().bridge->bridge().name != kDefaultBridgeName;
        if (of_the_user) continue;
        if (auto done = take_down(*network); !done) outcome = std::move(done);
    }
    if (firewall_)
        if (auto done = firewall_->remove_table(); !done) outcome = std::move(done);
    return outcome;
}

Result<void> Networks::remove(const NetworkPointer& network) {
    std::lock_guard change(change_mutex_);
    TRY(network->retire());
    TRY(records_->run("DELETE FROM networks WHERE id=?1", {network->id()}));
    {
        std::lock_guard host(host_mutex_);
        (void)take_down(*network);
    }
    std::lock_guard lock(mutex_);
    std::erase(networks_, network);
    return {};
}

Result<void> Networks::reconcile(const std::vector<std::string>& interfaces) {
    std::vector<network::FirewallBridge> bridges;
    bool named = false;
    {
        std::lock_guard host(host_mutex_);
        for (auto& network : all()) {
            named |= network->has_names() && network->driver() != NetworkDriver::Configuration;
            if (!network->live().bridge) continue;
            bridges.push_back(firewall_bridge(*network));
            auto removed = network::remove_leftovers(host_, network->live().bridge->bridge(), kInterfacePrefix, interfaces);
            if (!removed) log::warn(concat("leftovers on network ", network->name(), " could not be removed: ", removed.error().message()));
        }
    }
    if (firewall_) TRY(firewall_->reconcile(bridges, ports_->all()));
    names_->restore();
    bare_pool_->set_size(1);
    if (default_bridge()) bridge_pool_->set_size(kReadyBridge);
    if (named) named_pool_->set_size(kReadyNamed);
    return {};
}

Result<void> Networks::with_host(const std::function<Result<void>(os::NetlinkSocket&)>& work) {
    std::lock_guard lock(host_mutex_);
    return work(host_);
}

std::vector<std::string> Networks::warnings_of(const Network& network) const {
    if (!network.live().bridge) return {};
    auto& bridge = network.live().bridge->bridge();
    auto warnings = bridge.warnings;
    if (firewall_ && !bridge.internal)
        for (auto& warning : firewall_->warnings(bridge.name)) warnings.push_back(warning);
    return warnings;
}

std::vector<std::string> Networks::warnings() const {
    std::vector<std::string> all_warnings;
    for (auto& network : all())
        for (auto& warning : warnings_of(*network))
            if (std::find(all_warnings.begin(), all_warnings.end(), warning) == all_warnings.end()) all_warnings.push_back(warning);
    return all_warnings;
}

void Networks::handle_changes() {
    names_->handle_end();
    if (!firewall_) return;
    auto restored = firewall_->handle_changes();
    if (!restored) log::error(concat("the nftables rules could not be checked: ", restored.error().message()));
    else if (*restored) log::warn("the nftables table of this daemon was removed by somebody else and has been put back");
}

}  // namespace proa::engine
