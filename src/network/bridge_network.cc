#include "network/bridge_network.h"

#include "base/text.h"

namespace proa::network {

namespace {
constexpr const char* kReservedOwner = "the gateway or an auxiliary address";

Result<os::IpPrefix> take(AddressPool& pool, int length, const std::string& owner, const std::optional<os::IpAddress>& wanted) {
    if (!wanted) return os::IpPrefix{TRY(pool.next(owner)), length};
    TRY(pool.request(*wanted, owner));
    return os::IpPrefix{*wanted, length};
}

Unexpected not_of_this_network(const os::IpAddress& address) {
    return fail(ErrorKind::InvalidArgument, concat("Invalid address ", address.text(), ": It does not belong to any of this network's subnets"));
}
}  // namespace

Result<std::unique_ptr<AddressSpace>> AddressSpace::create(const Options& options) {
    std::unique_ptr<AddressSpace> space(new AddressSpace(options));
    if (!options.subnet.is_none()) space->pool_.emplace(TRY(AddressPool::create({.subnet = options.subnet, .range = options.range})));
    if (!options.subnet6.is_none()) space->pool6_.emplace(TRY(AddressPool::create({.subnet = options.subnet6, .range = options.range6})));
    for (auto& address : options.taken) {
        auto& pool = address.is_v6() ? space->pool6_ : space->pool_;
        if (pool && pool->subnet().contains(address)) TRY(pool->request(address, kReservedOwner));
    }
    return space;
}

Result<Endpoint> AddressSpace::allocate(const std::string& owner, const AddressRequest& request) {
    if (request.address && !pool_) return not_of_this_network(*request.address);
    if (request.address6 && !pool6_) return not_of_this_network(*request.address6);
    Endpoint endpoint{.mac = request.mac};
    if (pool_) {
        endpoint.address = TRY(take(*pool_, options_.subnet.length, owner, request.address));
        endpoint.gateway = options_.gateway;
    }
    if (!pool6_) return endpoint;
    auto address6 = take(*pool6_, options_.subnet6.length, owner, request.address6);
    if (!address6) {
        release(endpoint);
        return fail(std::move(address6).error());
    }
    endpoint.address6 = *address6;
    endpoint.gateway6 = options_.gateway6;
    return endpoint;
}

Result<void> AddressSpace::restore(const std::string& owner, const Endpoint& endpoint) {
    if (!endpoint.address.is_none() && pool_) TRY(pool_->request(endpoint.address.address, owner));
    if (!endpoint.address6.is_none() && pool6_) TRY(pool6_->request(endpoint.address6.address, owner));
    return {};
}

void AddressSpace::release(const Endpoint& endpoint) {
    if (!endpoint.address.is_none() && pool_) pool_->release(endpoint.address.address);
    if (!endpoint.address6.is_none() && pool6_) pool6_->release(endpoint.address6.address);
}

Result<std::unique_ptr<BridgeNetwork>> BridgeNetwork::create(os::NetlinkSocket& host, const NetworkOptions& options) {
    BridgeOptions wanted = options.bridge;
    if (!wanted.address && options.range && wanted.ipv4) wanted.address = first_host(*options.range);
    if (!wanted.address6 && options.range6) wanted.address6 = first_host(*options.range6);
    Bridge bridge = TRY(ensure_bridge(host, wanted));
    AddressSpace::Options space{.subnet = bridge.address, .subnet6 = bridge.address6, .range = options.range, .range6 = options.range6, .taken = options.reserved};
    if (!bridge.address.is_none()) space.taken.push_back(bridge.address.address);
    if (!bridge.address6.is_none()) space.taken.push_back(bridge.address6.address);
    if (!bridge.internal) {
        space.gateway = options.default_gateway.value_or(bridge.address.address);
        space.gateway6 = options.default_gateway6.value_or(bridge.address6.address);
        for (auto& gateway : {options.default_gateway, options.default_gateway6})
            if (gateway) space.taken.push_back(*gateway);
    }
    auto addresses = TRY(AddressSpace::create(space));
    return std::unique_ptr<BridgeNetwork>(new BridgeNetwork(std::move(bridge), std::move(addresses)));
}

}  // namespace proa::network
