#include "engine/default_network.h"

#include <linux/netlink.h>

#include "base/id.h"
#include "base/log.h"
#include "engine/settings.h"
#include "network/firewall.h"
#include "network/port_allocator.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::Record;

/// Stable ids for the predefined networks: made once, kept in the data root.
Result<std::map<std::string, std::string>> load_network_ids(const Paths& paths, Time& created) {
    std::string file = paths.data_root + "/networks.json";
    std::map<std::string, std::string> ids;
    if (auto text = os::read_file(file)) {
        auto value = json::parse(*text);
        if (value)
            for (auto& member : value->as_object()) ids[member.name] = member.value.as_string();
    }
    bool complete = is_full_id(ids["bridge"]) && is_full_id(ids["host"]) && is_full_id(ids["none"]) && parse_rfc3339(ids["created"]);
    if (!complete) {
        ids = {{"bridge", random_id()}, {"host", random_id()}, {"none", random_id()}, {"created", rfc3339_nano(now())}};
        json::Object object;
        for (auto& [name, id] : ids) object.set(name, id);
        TRY(os::replace_file(file, json::print(object), 0600, true));
    }
    created = *parse_rfc3339(ids["created"]);
    return ids;
}

}  // namespace

struct DefaultNetwork::Publisher {
    std::unique_ptr<network::Firewall> firewall;
    network::PortAllocator ports;
    os::IpAddress default_host_ip;  ///< --ip; unspecified: both families
    std::mutex mutex;
    std::map<std::string, std::vector<network::Publication>> by_container;
};

DefaultNetwork::~DefaultNetwork() = default;

Result<std::unique_ptr<DefaultNetwork>> DefaultNetwork::open(const Settings& settings, const Paths& paths) {
    std::unique_ptr<DefaultNetwork> self(new DefaultNetwork);
    auto ids = TRY(load_network_ids(paths, self->created_));
    self->bridge_id_ = ids["bridge"];
    self->host_id_ = ids["host"];
    self->none_id_ = ids["none"];
    self->publisher_ = std::make_unique<Publisher>();
    self->publisher_->default_host_ip = os::IpAddress::parse(settings.ip).value_or(os::IpAddress::any4());
    network::NamespacePool::Options none;
    none.size = 1;
    self->none_pool_ = TRY(network::NamespacePool::create(std::move(none)));
    if (settings.bridge == "none") return self;
    network::BridgeOptions options;
    options.name = settings.bridge.empty() ? "proa0" : settings.bridge;
    options.managed = settings.bridge.empty() || !settings.bip.empty();
    if (!settings.bip.empty()) {
        auto prefix = os::IpPrefix::parse(settings.bip);
        if (!prefix) return fail(ErrorKind::InvalidArgument, concat("invalid bip: ", settings.bip));
        options.address = *prefix;
    }
    if (settings.ipv6) return fail(ErrorKind::Unsupported, "failed to start daemon: ipv6 on the default bridge is not supported yet by proad");
    if (!settings.default_address_pools.empty()) options.pools.clear();
    for (auto& pool : settings.default_address_pools) {
        auto base = os::IpPrefix::parse(pool.base);
        if (!base) return fail(ErrorKind::InvalidArgument, concat("invalid default-address-pool base: ", pool.base));
        options.pools.push_back(network::SubnetPool{base->network(), static_cast<int>(pool.size)});
    }
    options.mtu = static_cast<uint32_t>(settings.mtu);
    options.ip_forward = settings.ip_forward;
    options.icc = settings.icc;
    options.masquerade = settings.ip_masq;
    auto host = TRY(os::NetlinkSocket::open(NETLINK_ROUTE));
    self->bridge_ = TRY(network::ensure_bridge(host, options));
    self->warnings_ = self->bridge_->warnings;
    network::AddressPool::Options addresses;
    addresses.subnet = self->bridge_->address;
    if (!settings.fixed_cidr.empty()) addresses.range = os::IpPrefix::parse(settings.fixed_cidr);
    self->addresses_ = std::make_unique<network::AddressPool>(TRY(network::AddressPool::create(addresses)));
    TRY(self->addresses_->request(self->bridge_->address.address, "gateway"));
    network::NamespacePool::Options pool;
    pool.bridge = *self->bridge_;
    self->bridge_pool_ = TRY(network::NamespacePool::create(std::move(pool)));
    if (settings.iptables) {
        std::string table = options.name == "proa0" ? "proa" : concat("proa-", options.name);
        self->publisher_->firewall = TRY(network::Firewall::open(table));
        for (auto& warning : self->publisher_->firewall->warnings(options.name)) self->warnings_.push_back(warning);
    }
    for (auto& warning : self->warnings_) log::warn(warning);
    return self;
}

Result<NetworkAttachment> DefaultNetwork::attach(const Record& record) {
    auto& mode = record.host_config.network_mode;
    NetworkAttachment attachment;
    attachment.networks = record.networks;
    if (mode.starts_with("container:")) return attachment;
    if (mode == "host" || mode == "none") {
        auto& endpoint = attachment.networks[mode];
        endpoint.network_id = mode == "host" ? host_id_ : none_id_;
        endpoint.endpoint_id = random_id();
        if (mode == "none") attachment.sandbox = TRY(none_pool_->take());
        return attachment;
    }
    if (mode == "bridge") return attach_bridge(record);
    return fail(ErrorKind::NotFound, concat("network ", mode, " not found"));
}

Result<NetworkAttachment> DefaultNetwork::attach_bridge(const Record& record) {
    if (!bridge_) return fail(ErrorKind::NotFound, "network bridge not found");
    NetworkAttachment attachment;
    attachment.networks = record.networks;
    auto address = TRY(addresses_->next(record.id));
    auto configured = [&]() -> Result<void> {
        attachment.sandbox = TRY(bridge_pool_->take());
        network::Endpoint endpoint;
        endpoint.address = os::IpPrefix{address, bridge_->address.length};
        endpoint.gateway = bridge_->address.address;
        TRY(network::configure(*attachment.sandbox, endpoint));
        auto& settings = attachment.networks["bridge"];
        settings.network_id = bridge_id_;
        settings.endpoint_id = random_id();
        settings.gateway = bridge_->address.address.text();
        settings.ip_address = address.text();
        settings.ip_prefix_len = bridge_->address.length;
        settings.mac_address = os::mac_text(attachment.sandbox->interface.mac);
        return publish(record, attachment, settings.endpoint_id);
    }();
    if (!configured) {
        addresses_->release(address);
        return fail(std::move(configured).error());
    }
    return attachment;
}

namespace {

/// "80/tcp" as number and protocol.
Result<std::pair<uint16_t, network::Protocol>> parse_port(const std::string& text) {
    auto parts = cut(text, "/");
    auto number = parse_uint(parts ? parts->first : std::string_view(text));
    auto protocol = network::parse_protocol(parts ? parts->second : "tcp");
    if (!number || *number > 65535 || !protocol) return fail(ErrorKind::InvalidArgument, concat("invalid port specification: ", quote(text)));
    return std::pair{static_cast<uint16_t>(*number), *protocol};
}

Result<network::PortRequest> make_request(const std::string& port, const docker::PortBinding& binding, const os::IpAddress& default_host_ip) {
    network::PortRequest request;
    auto [number, protocol] = TRY(parse_port(port));
    request.container_port = number;
    request.protocol = protocol;
    if (!binding.host_ip.empty()) {
        request.host_ip = os::IpAddress::parse(binding.host_ip);
        if (!request.host_ip) return fail(ErrorKind::InvalidArgument, concat("invalid host IP: ", binding.host_ip));
    } else if (!default_host_ip.is_unspecified()) {
        request.host_ip = default_host_ip;
    }
    auto range = cut(binding.host_port, "-");
    request.first = static_cast<uint16_t>(parse_uint(range ? range->first : std::string_view(binding.host_port)).value_or(0));
    if (range) request.last = static_cast<uint16_t>(parse_uint(range->second).value_or(0));
    return request;
}

/// All ports of the container with what is asked for each; no bindings: exposed only.
std::map<std::string, std::vector<docker::PortBinding>> wanted_ports(const Record& record) {
    std::map<std::string, std::vector<docker::PortBinding>> wanted;
    for (auto& [port, empty] : record.config.exposed_ports.value_or(docker::Set())) wanted[port];
    for (auto& [port, bindings] : record.host_config.port_bindings.value_or(docker::PortMap())) {
        auto& list = wanted[port.find('/') == std::string::npos ? port + "/tcp" : port];
        if (!bindings) continue;
        list = *bindings;
        if (list.empty()) list.emplace_back();
    }
    if (record.host_config.publish_all_ports)
        for (auto& [port, list] : wanted)
            if (list.empty()) list.emplace_back();
    return wanted;
}

void give_back(network::PortAllocator& ports, const std::vector<network::Publication>& publications) {
    for (auto& publication : publications) ports.release(publication.protocol, publication.host_ip, publication.host_port);
}

}  // namespace

Result<void> DefaultNetwork::publish(const Record& record, NetworkAttachment& attachment, const std::string& endpoint_id) {
    auto container_ip = os::IpAddress::parse(attachment.networks["bridge"].ip_address).value_or(os::IpAddress());
    std::vector<network::Publication> publications;
    auto published = [&]() -> Result<void> {
        for (auto& [port, bindings] : wanted_ports(record)) {
            auto& shown = attachment.ports[port];
            for (auto& binding : bindings) {
                auto request = TRY(make_request(port, binding, publisher_->default_host_ip));
                for (auto& reserved : TRY(publisher_->ports.reserve(request))) {
                    auto publication = reserved.publication(container_ip);
                    publications.push_back(publication);
                    if (!shown) shown.emplace();
                    shown->push_back(docker::PortBinding{reserved.host_ip.text(), concat(reserved.host_port)});
                    if (!reserved.socket) continue;
                    if (publication.needs_proxy() && reserved.protocol == network::Protocol::Tcp) {
                        attachment.proxies.push_back(shim::PortProxy{-1, container_ip.text(), reserved.container_port});
                        attachment.proxied.push_back(std::move(reserved.socket));
                    } else {
                        attachment.held.push_back(std::move(reserved.socket));
                    }
                }
            }
        }
        if (publisher_->firewall && !publications.empty()) TRY(publisher_->firewall->publish(publications));
        return {};
    }();
    if (!published) {
        give_back(publisher_->ports, publications);
        return fail(Error(ErrorKind::Internal, concat("failed to set up container networking: driver failed programming external connectivity on endpoint ",
                                                      record.name, " (", endpoint_id, "): ", published.error().message())));
    }
    std::lock_guard lock(publisher_->mutex);
    publisher_->by_container[record.id] = std::move(publications);
    return {};
}

void DefaultNetwork::detach(const Record& record) {
    if (record.host_config.network_mode != "bridge" || !bridge_) return;
    std::vector<network::Publication> publications;
    {
        std::lock_guard lock(publisher_->mutex);
        if (auto found = publisher_->by_container.find(record.id); found != publisher_->by_container.end()) {
            publications = std::move(found->second);
            publisher_->by_container.erase(found);
        }
    }
    if (publisher_->firewall && !publications.empty()) {
        auto withdrawn = publisher_->firewall->unpublish(publications);
        if (!withdrawn) log::error(concat("ports of container ", record.id, " could not be withdrawn: ", withdrawn.error().message()));
    }
    give_back(publisher_->ports, publications);
    auto endpoint = record.networks.find("bridge");
    if (endpoint == record.networks.end()) return;
    if (auto address = os::IpAddress::parse(endpoint->second.ip_address)) addresses_->release(*address);
}

Result<void> DefaultNetwork::adopt(const Record& record) {
    if (record.host_config.network_mode != "bridge" || !bridge_) return {};
    auto endpoint = record.networks.find("bridge");
    if (endpoint == record.networks.end()) return {};
    auto address = os::IpAddress::parse(endpoint->second.ip_address);
    if (!address) return {};
    TRY(addresses_->request(*address, record.id));
    std::vector<network::Publication> publications;
    for (auto& [port, bindings] : record.ports) {
        if (!bindings) continue;
        auto [number, protocol] = TRY(parse_port(port));
        for (auto& binding : *bindings) {
            auto host_ip = os::IpAddress::parse(binding.host_ip);
            auto host_port = parse_uint(binding.host_port);
            if (!host_ip || !host_port) continue;
            publications.push_back(network::Publication{protocol, *host_ip, static_cast<uint16_t>(*host_port), *address, number});
            publisher_->ports.restore(protocol, *host_ip, static_cast<uint16_t>(*host_port));
        }
    }
    std::lock_guard lock(publisher_->mutex);
    publisher_->by_container[record.id] = std::move(publications);
    return {};
}

int DefaultNetwork::watch_fd() const { return publisher_->firewall ? publisher_->firewall->watch_fd() : -1; }

void DefaultNetwork::handle_firewall_changes() {
    auto restored = publisher_->firewall->handle_changes();
    if (!restored) log::error(concat("the nftables rules could not be checked: ", restored.error().message()));
    else if (*restored) log::warn("the nftables table of this daemon was removed by somebody else and has been put back");
}

Result<void> DefaultNetwork::reconcile() {
    if (!publisher_->firewall) return {};
    std::vector<network::Publication> publications;
    for (auto& [id, list] : publisher_->by_container) publications.insert(publications.end(), list.begin(), list.end());
    std::vector<network::FirewallBridge> bridges{network::FirewallBridge::of(*bridge_)};
    return publisher_->firewall->reconcile(bridges, publications);
}

}  // namespace proa::engine
