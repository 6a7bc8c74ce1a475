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
docker::PortMap wanted_ports(const Record& record) {
    docker::PortMap wanted;
    if (record.config.exposed_ports) wanted = record.config.exposed_ports->ports();
    auto want = [&](docker::PortRun run) {
        if (run.bindings && run.bindings->empty()) run.bindings->emplace_back();
        wanted.set_run(std::move(run));
    };
    if (auto& bindings = record.host_config.port_bindings) {
        docker::PortMap unbound;  // as good as exposed
        for (auto& run : bindings->runs()) {
            if (run.bindings) want(std::move(run));
            else unbound.set_run(std::move(run));
        }
        wanted.merge(unbound);
        for (auto& [port, list] : bindings->others()) {
            if (!list) continue;
            auto complete = *list;
            if (complete.empty()) complete.emplace_back();
            // "80" and "80/TCP" are written as others do.
            auto parsed = parse_port(port);
            wanted.set(parsed ? concat(parsed->first, '/', network::protocol_name(parsed->second)) : port, std::move(complete));
        }
    }
    if (record.host_config.publish_all_ports)
        for (auto& run : wanted.runs())
            if (!run.bindings || run.bindings->empty()) {
                run.bindings.emplace(1);
                wanted.set_run(std::move(run));
            }
    return wanted;
}

size_t count_bindings(const docker::PortMap& wanted) {
    size_t count = 0;
    for (auto& run : wanted.runs()) count += run.count() * (run.bindings ? run.bindings->size() : 0);
    for (auto& [port, list] : wanted.others()) count += list ? list->size() : 0;
    return count;
}

network::Publication part_of(network::Publication publication, uint16_t offset, uint16_t count) {
    publication.host_port = static_cast<uint16_t>(publication.host_port + offset);
    publication.container_port = static_cast<uint16_t>(publication.container_port + offset);
    publication.count = count;
    return publication;
}

/// Which of the container's addresses a host side leads to: its own family where there is one.
os::IpAddress target_address(const os::IpAddress& host_ip, const PortTarget& target) {
    if (host_ip.is_v6()) return target.address6.is_none() ? target.address : target.address6;
    return target.address;
}

/// The socket of a port for the container's shim: to be kept, or to accept on.
void hold(const network::Publication& publication, os::Fd socket, PublishedPorts& out) {
    if (!socket) return;
    if (publication.needs_proxy() && publication.protocol == network::Protocol::Tcp) {
        out.proxies.push_back(shim::PortProxy{-1, publication.container_ip.text(), publication.container_port});
        out.proxied.push_back(std::move(socket));
    } else {
        out.held.push_back(std::move(socket));
    }
}

}  // namespace

Result<std::vector<docker::PortBinding>> PortPublisher::publish_one(const docker::PortRun& run, const docker::PortBinding& binding, const PortTarget& target,
                                                                    PublishedPorts& out, std::vector<network::Publication>& publications,
                                                                    const network::BusyPorts* busy) {
    const std::string port = concat(run.first, '/', run.protocol);
    auto request = TRY(make_request(port, binding, target.host_binding.is_none() ? default_host_ip_ : target.host_binding));
    request.count = static_cast<uint16_t>(run.count());
    if (!request.host_ip && target.address.is_none()) request.host_ip = os::IpAddress::any6();
    // Without sockets the shim has nothing to accept on, so IPv6 leads to containers with IPv6 only.
    if (busy && !request.host_ip && target.address6.is_none()) request.host_ip = os::IpAddress::any4();
    std::vector<docker::PortBinding> shown;
    for (auto& reserved : TRY(ports_.reserve(request, busy))) {
        auto container_ip = target_address(reserved.host_ip, target);
        auto publication = reserved.publication(container_ip);
        publications.push_back(publication);
        shown.push_back(docker::PortBinding{reserved.host_ip.text(), concat(reserved.host_port)});
        if (container_ip.is_none()) return fail(ErrorKind::Internal, concat("the container has no address that ", reserved.host_ip.text(), " could lead to"));
        if (busy && !publication.kernel_forwards())
            return fail(ErrorKind::Internal,
                        concat("port ", run.first, " on ", reserved.host_ip.text(), " needs a forwarder of its own, and there is one for at most ", kSocketsMax,
                               " published ports of a container: use an IPv4 address, or an IPv6 address other than ::1 and a network with IPv6"));
        hold(publication, std::move(reserved.socket), out);
    }
    return shown;
}

Result<void> PortPublisher::publish_run(const docker::PortRun& run, const PortTarget& target, PublishedPorts& out,
                                        std::vector<network::Publication>& publications, const network::BusyPorts* busy) {
    // At once where every binding names its host ports and no socket is made; else port by port.
    bool at_once = busy && run.count() > 1;
    for (auto& binding : *run.bindings) {
        auto first = parse_uint(binding.host_port);
        at_once = at_once && first && *first != 0;
    }
    std::vector<docker::PortRun> parts;
    if (at_once) parts.push_back(run);
    else
        for (uint32_t port = run.first; port <= run.last; port++)
            parts.push_back({run.protocol, static_cast<uint16_t>(port), static_cast<uint16_t>(port), run.bindings_of(static_cast<uint16_t>(port))});
    for (auto& part : parts) {
        std::vector<docker::PortBinding> shown;
        for (auto& binding : *part.bindings) {
            auto one = TRY(publish_one(part, binding, target, out, publications, busy));
            shown.insert(shown.end(), one.begin(), one.end());
        }
        out.ports.set_run({part.protocol, part.first, part.last, std::move(shown)});
    }
    return {};
}

Result<PublishedPorts> PortPublisher::publish_all(const docker::PortMap& wanted, const std::optional<PortTarget>& target,
                                                  std::vector<network::Publication>& publications) {
    PublishedPorts out;
    std::optional<network::BusyPorts> busy;
    if (target && count_bindings(wanted) > kSocketsMax) busy = network::BusyPorts::read();
    auto published = [&]() -> Result<void> {
        for (auto& [port, list] : wanted.others()) {
            if (list) TRY(parse_port(port));
            out.ports.set(port, std::nullopt);
        }
        for (auto& run : wanted.runs()) {
            if (target && run.bindings && !run.bindings->empty()) TRY(publish_run(run, *target, out, publications, busy ? &*busy : nullptr));
            else out.ports.set_run({run.protocol, run.first, run.last, std::nullopt});
        }
        if (firewall_ && !publications.empty()) TRY(firewall_->publish(publications));
        return {};
    }();
    if (published) return out;
    give_back(publications);
    return fail(std::move(published).error());
}

Result<PublishedPorts> PortPublisher::publish(const Record& record, const std::optional<PortTarget>& target) {
    std::vector<network::Publication> publications;
    auto out = publish_all(wanted_ports(record), target, publications);
    if (!out)
        return fail(Error(ErrorKind::Internal, concat("failed to set up container networking: driver failed programming external connectivity on endpoint ",
                                                      record.name, " (", target ? target->endpoint_id : "", "): ", out.error().message())));
    if (publications.empty()) return out;
    std::lock_guard lock(mutex_);
    by_container_[record.id] = std::move(publications);
    return out;
}

Result<PublishedPorts> PortPublisher::add(const Record& record, const docker::PortMap& wanted, const PortTarget& target) {
    std::vector<network::Publication> publications;
    auto out = TRY(publish_all(wanted, target, publications));
    std::lock_guard lock(mutex_);
    auto& all = by_container_[record.id];
    all.insert(all.end(), publications.begin(), publications.end());
    return out;
}

Result<std::vector<std::string>> PortPublisher::remove(const std::string& container_id, const std::vector<std::string>& ports) {
    std::lock_guard lock(mutex_);
    auto& all = by_container_[container_id];
    const auto before = all;
    std::vector<network::Publication> gone;  // one by one
    for (auto& text : ports) {
        auto [number, protocol] = TRY(parse_port(text));
        std::vector<network::Publication> rest;
        for (auto& publication : all) {
            if (publication.protocol != protocol || number < publication.container_port || number > publication.last_container_port()) {
                rest.push_back(publication);
                continue;
            }
            const auto offset = static_cast<uint16_t>(number - publication.container_port);
            gone.push_back(part_of(publication, offset, 1));
            if (offset > 0) rest.push_back(part_of(publication, 0, offset));
            if (offset + 1 < publication.count)
                rest.push_back(part_of(publication, static_cast<uint16_t>(offset + 1), static_cast<uint16_t>(publication.count - offset - 1)));
        }
        all = std::move(rest);
    }
    std::vector<std::string> sides;
    for (auto& publication : gone) sides.push_back(concat(network::protocol_name(publication.protocol), ' ', publication.host_ip.text(), ' ', publication.host_port));
    if (firewall_) {
        auto replaced = firewall_->replace(before, all);
        if (!replaced) {
            all = before;
            return fail(std::move(replaced).error());
        }
    }
    give_back(gone);
    return sides;
}

void PortPublisher::give_back(const std::vector<network::Publication>& publications) {
    for (auto& publication : publications) ports_.release(publication.protocol, publication.host_ip, publication.host_port, publication.count);
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

Result<std::vector<network::Publication>> PortPublisher::hand_over(const std::string& from, const std::string& to, const PortTarget& target) {
    std::lock_guard lock(mutex_);
    auto found = by_container_.find(from);
    if (found == by_container_.end()) return std::vector<network::Publication>();
    auto moved = found->second;
    for (auto& publication : moved) {
        publication.container_ip = target_address(publication.host_ip, target);
        if (publication.container_ip.is_none()) return fail(ErrorKind::Conflict, concat("the container has no address that ", publication.host_ip.text(), " could lead to"));
    }
    if (firewall_) TRY(firewall_->replace(found->second, moved));
    by_container_.erase(found);
    auto& all = by_container_[to];
    all.insert(all.end(), moved.begin(), moved.end());
    return moved;
}

PublishedPorts PortPublisher::hold_again(const std::vector<network::Publication>& publications) {
    PublishedPorts out;
    if (publications.size() > kSocketsMax) return out;
    for (auto& publication : publications) {
        if (publication.count > 1) continue;  // ranges have no sockets
        network::PortRequest request{publication.protocol, publication.container_port, publication.host_ip, publication.host_port, 0};
        ports_.release(publication.protocol, publication.host_ip, publication.host_port);
        auto reserved = ports_.reserve(request);
        if (!reserved) {
            ports_.restore(publication.protocol, publication.host_ip, publication.host_port);
            log::warn(concat("port ", publication.host_port, " is held by rules alone: ", reserved.error().message()));
            continue;
        }
        for (auto& port : *reserved) hold(publication, std::move(port.socket), out);
    }
    return out;
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
    if (firewall_) TRY(firewall_->replace(found->second, leads_somewhere));
    found->second = std::move(moved);
    return {};
}

Result<void> PortPublisher::adopt(const Record& record, const PortTarget& target) {
    std::vector<network::Publication> publications;
    for (auto& run : record.ports.runs()) {
        auto protocol = network::parse_protocol(run.protocol);
        if (!run.bindings || !protocol) continue;
        const auto count = static_cast<uint16_t>(run.count());
        for (auto& binding : *run.bindings) {
            auto host_ip = os::IpAddress::parse(binding.host_ip);
            auto host_port = parse_uint(binding.host_port);
            if (!host_ip || !host_port) continue;
            const auto first = static_cast<uint16_t>(*host_port);
            ports_.restore(*protocol, *host_ip, first, count);
            auto container_ip = target_address(*host_ip, target);
            if (container_ip.is_none()) continue;
            publications.push_back(network::Publication{*protocol, *host_ip, first, container_ip, run.first, count});
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
