#include "resolver/names.h"

#include <algorithm>

#include "base/text.h"

namespace proa::resolver {

namespace {
os::IpAddress parse(const std::string& text) { return os::IpAddress::parse(text).value_or(os::IpAddress()); }
}  // namespace

void Names::put(const Container& container) {
    remove(container.id);
    for (auto& endpoint : container.endpoints) {
        Network& network = networks_[endpoint.network_id];
        Entry entry{container.id, parse(endpoint.address), parse(endpoint.address6)};
        for (auto& name : endpoint.names) network.by_name[to_lower(name)].push_back(entry);
        if (endpoint.names.empty()) continue;
        for (auto& address : {entry.address, entry.address6})
            if (!address.is_none()) network.by_address[address] = endpoint.names.front();
    }
    containers_[container.id] = container;
}

void Names::remove(const std::string& id) {
    auto known = containers_.find(id);
    if (known == containers_.end()) return;
    for (auto& endpoint : known->second.endpoints) {
        auto network = networks_.find(endpoint.network_id);
        if (network == networks_.end()) continue;
        for (auto& name : endpoint.names) {
            auto entries = network->second.by_name.find(to_lower(name));
            if (entries == network->second.by_name.end()) continue;
            std::erase_if(entries->second, [&](auto& entry) { return entry.container_id == id; });
            if (entries->second.empty()) network->second.by_name.erase(entries);
        }
        for (auto& text : {endpoint.address, endpoint.address6}) network->second.by_address.erase(parse(text));
        if (network->second.by_name.empty()) networks_.erase(network);
    }
    containers_.erase(known);
}

std::vector<std::string> Names::ids() const {
    std::vector<std::string> ids;
    for (auto& [id, container] : containers_) ids.push_back(id);
    return ids;
}

const Container* Names::find(const std::string& id) const {
    auto known = containers_.find(id);
    return known == containers_.end() ? nullptr : &known->second;
}

Names::Found Names::look_in(const Endpoint& endpoint, std::string_view name, bool ipv6) const {
    Found found;
    std::string wanted(name);
    for (auto& link : endpoint.links)
        if (equals_ignoring_case(link.alias, name)) wanted = to_lower(link.target);
    auto network = networks_.find(endpoint.network_id);
    if (network == networks_.end()) return found;
    auto entries = network->second.by_name.find(wanted);
    if (entries == network->second.by_name.end()) return found;
    found.exists = true;
    for (auto& entry : entries->second)
        if (auto& address = ipv6 ? entry.address6 : entry.address;
            !address.is_none() && std::find(found.addresses.begin(), found.addresses.end(), address) == found.addresses.end())
            found.addresses.push_back(address);
    return found;
}

Names::Found Names::addresses_of(const Container& asker, std::string_view name, bool ipv6) const {
    for (auto& endpoint : asker.endpoints)
        if (auto found = look_in(endpoint, name, ipv6); found.exists) return found;
    for (auto& endpoint : asker.endpoints) {
        std::string suffix = concat('.', to_lower(endpoint.network_name));
        if (name.size() <= suffix.size() || !name.ends_with(suffix)) continue;
        if (auto found = look_in(endpoint, name.substr(0, name.size() - suffix.size()), ipv6); found.exists) return found;
    }
    return {};
}

std::optional<std::string> Names::name_of(const Container& asker, const os::IpAddress& address) const {
    for (auto& endpoint : asker.endpoints) {
        auto network = networks_.find(endpoint.network_id);
        if (network == networks_.end()) continue;
        auto name = network->second.by_address.find(address);
        if (name != network->second.by_address.end()) return concat(name->second, '.', endpoint.network_name);
    }
    return std::nullopt;
}

}  // namespace proa::resolver
