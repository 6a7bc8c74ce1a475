#include "engine/port_publisher.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace proa::engine {

namespace {

using container::Record;

/// Bindings of one container up to which a socket keeps each host port from others: two each (IPv4 and IPv6) go with the launch message.
constexpr size_t kSocketsMax = 100;

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
    } else if (!default_host_ip.is_none() && !default_host_ip.is_unspecified()) {
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

/// Which of the container's addresses a host side leads to: its own family where there is one.
os::IpAddress target_address(const os::IpAddress& host_ip, const PortTarget& target) {
    if (host_ip.is_v6()) return target.address6.is_none() ? target.address : target.address6;
    return target.address;
}

}  // namespace

Result<void> PortPublisher::publish_one(const std::string& port, const docker::PortBinding& binding, const PortTarget& target, PublishedPorts& out,
                                        std::vector<network::Publication>& publications, const network::BusyPorts* busy) {
    auto request = TRY(make_request(port, binding, target.host_binding.is_none() ? default_host_ip_ : target.host_binding));
    if (!request.host_ip && target.address.is_none()) request.host_ip = os::IpAddress::any6();
    // Without sockets the shim has nothing to accept on, so IPv6 leads to containers with IPv6 only.
    if (busy && !request.host_ip && target.address6.is_none()) request.host_ip = os::IpAddress::any4();
    for (auto& reserved : TRY(ports_.reserve(request, busy))) {
        auto container_ip = target_address(reserved.host_ip, target);
        auto publication = reserved.publication(container_ip);
        publications.push_back(publication);
        auto& shown = out.ports[port];
        if (!shown) shown.emplace();
        shown->push_back(docker::PortBinding{reserved.host_ip.text(), concat(reserved.host_port)});
        if (container_ip.is_none()) return fail(ErrorKind::Internal, concat("the container has no address that ", reserved.host_ip.text(), " could lead to"));
        if (!reserved.socket) continue;
        if (publication.needs_proxy() && reserved.protocol == network::Protocol::Tcp) {
            out.proxies.push_back(shim::PortProxy{-1, container_ip.text(), reserved.container_port});
            out.proxied.push_back(std::move(reserved.socket));
        } else {
            out.held.push_back(std::move(reserved.socket));
        }
    }
    return {};
}

Result<PublishedPorts> PortPublisher::publish(const Record& record, const std::optional<PortTarget>& target) {
    PublishedPorts out;
    std::vector<network::Publication> publications;
    auto wanted = wanted_ports(record);
    size_t count = 0;
    for (auto& [port, bindings] : wanted) count += bindings.size();
    std::optional<network::BusyPorts> busy;
    if (count > kSocketsMax) busy = network::BusyPorts::read();
    auto published = [&]() -> Result<void> {
        for (auto& [port, bindings] : wanted) {
            out.ports[port];
            if (!target) continue;
            for (auto& binding : bindings) TRY(publish_one(port, binding, *target, out, publications, busy ? &*busy : nullptr));
        }
        if (firewall_ && !publications.empty()) TRY(firewall_->publish(publications));
        return {};
    }();
    if (!published) {
        give_back(publications);
        return fail(Error(ErrorKind::Internal, concat("failed to set up container networking: driver failed programming external connectivity on endpoint ",
                                                      record.name, " (", target->endpoint_id, "): ", published.error().message())));
    }
    if (publications.empty()) return out;
    std::lock_guard lock(mutex_);
    by_container_[record.id] = std::move(publications);
    return out;
}

Result<PublishedPorts> PortPublisher::add(const Record& record, const docker::PortMap& wanted, const PortTarget& target) {
    PublishedPorts out;
    std::vector<network::Publication> publications;
    auto published = [&]() -> Result<void> {
        for (auto& [port, bindings] : wanted)
            for (auto& binding : bindings.value_or(std::vector<docker::PortBinding>())) TRY(publish_one(port, binding, target, out, publications, nullptr));
        if (firewall_ && !publications.empty()) TRY(firewall_->publish(publications));
        return {};
    }();
    if (!published) {
        give_back(publications);
        return fail(std::move(published).error());
    }
    std::lock_guard lock(mutex_);
    auto& all = by_container_[record.id];
    all.insert(all.end(), publications.begin(), publications.end());
    return out;
}

Result<std::vector<std::string>> PortPublisher::remove(const std::string& container_id, const std::vector<std::string>& ports) {
    std::vector<network::Publication> gone;
    std::lock_guard lock(mutex_);
    auto& all = by_container_[container_id];
    for (auto& text : ports) {
        auto [number, protocol] = TRY(parse_port(text));
        auto is_meant = [&, number = number, protocol = protocol](auto& publication) { return publication.container_port == number && publication.protocol == protocol; };
        std::copy_if(all.begin(), all.end(), std::back_inserter(gone), is_meant);
        std::erase_if(all, is_meant);
    }
    std::vector<std::string> sides;
    for (auto& publication : gone) sides.push_back(concat(network::protocol_name(publication.protocol), ' ', publication.host_ip.text(), ' ', publication.host_port));
    if (firewall_) TRY(firewall_->unpublish(gone));
    give_back(gone);
    return sides;
}

void PortPublisher::give_back(const std::vector<network::Publication>& publications) {
    for (auto& publication : publications) ports_.release(publication.protocol, publication.host_ip, publication.host_port);
}

void PortPublisher::withdraw(const std::string& container_id) {
    std::vector<network::Publication> publications;
    {
        std::lock_guard lock(mutex_);
        auto found = by_container_.find(container_id);
        if (found == by_container_.end()) return;
        publications = std::move(found->second);
        by_container_.erase(found);
    }
    if (firewall_) {
        auto withdrawn = firewall_->unpublish(publications);
        if (!withdrawn) log::error(concat("ports of container ", container_id, " could not be withdrawn: ", withdrawn.error().message()));
    }
    give_back(publications);
}

Result<void> PortPublisher::move(const std::string& container_id, const PortTarget& target) {
    std::lock_guard lock(mutex_);
    auto found = by_container_.find(container_id);
    if (found == by_container_.end()) return {};
    auto moved = found->second;
    for (auto& publication : moved) publication.container_ip = target_address(publication.host_ip, target);
    if (moved == found->second) return {};
    // A host side without a target stays ours: the shim holds its socket, and a later network may give it one.
    auto leads_somewhere = moved;
    std::erase_if(leads_somewhere, [](auto& publication) { return publication.container_ip.is_none(); });
    if (firewall_) {
        TRY(firewall_->unpublish(found->second));
        TRY(firewall_->publish(leads_somewhere));
    }
    found->second = std::move(moved);
    return {};
}

Result<void> PortPublisher::adopt(const Record& record, const PortTarget& target) {
    std::vector<network::Publication> publications;
    for (auto& [port, bindings] : record.ports) {
        if (!bindings) continue;
        auto [number, protocol] = TRY(parse_port(port));
        for (auto& binding : *bindings) {
            auto host_ip = os::IpAddress::parse(binding.host_ip);
            auto host_port = parse_uint(binding.host_port);
            if (!host_ip || !host_port) continue;
            ports_.restore(protocol, *host_ip, static_cast<uint16_t>(*host_port));
            auto container_ip = target_address(*host_ip, target);
            if (container_ip.is_none()) continue;
            publications.push_back(network::Publication{protocol, *host_ip, static_cast<uint16_t>(*host_port), container_ip, number});
        }
    }
    if (publications.empty()) return {};
    std::lock_guard lock(mutex_);
    by_container_[record.id] = std::move(publications);
    return {};
}

std::vector<network::Publication> PortPublisher::all() const {
    std::lock_guard lock(mutex_);
    std::vector<network::Publication> publications;
    for (auto& [id, list] : by_container_) publications.insert(publications.end(), list.begin(), list.end());
    return publications;
}

}  // namespace proa::engine
