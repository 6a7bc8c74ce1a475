#include "network/bridge_network.h"

#include "base/text.h"

namespace proa::network {

namespace {
constexpr const char* kGatewayOwner = "the gateway";
constexpr const char* kReservedOwner = "an auxiliary address";

os::IpPrefix first_host(const os::IpPrefix& subnet) {
    return {os::IpAddress::from_number(subnet.address.family(), subnet.first().number() + 1), subnet.length};
}

Result<os::IpAddress> take(AddressPool& pool, const std::string& owner, const std::optional<os::IpAddress>& wanted) {
    if (!wanted) return pool.next(owner);
    TRY(pool.request(*wanted, owner));
    return *wanted;
}
}  // namespace

Result<std::unique_ptr<BridgeNetwork>> BridgeNetwork::create(os::NetlinkSocket& host, const NetworkOptions& options) {
    BridgeOptions wanted = options.bridge;
    if (!wanted.address && options.range) wanted.address = first_host(*options.range);
    if (!wanted.address6 && options.range6) wanted.address6 = first_host(*options.range6);
    Bridge bridge = TRY(ensure_bridge(host, wanted));

    auto pool = TRY(AddressPool::create({.subnet = bridge.address, .range = options.range}));
    TRY(pool.request(bridge.address.address, kGatewayOwner));
    std::unique_ptr<BridgeNetwork> network(new BridgeNetwork(std::move(bridge), std::move(pool)));
    const Bridge& made = network->bridge_;
    if (!made.address6.is_none()) {
        network->pool6_.emplace(TRY(AddressPool::create({.subnet = made.address6, .range = options.range6})));
        TRY(network->pool6_->request(made.address6.address, kGatewayOwner));
    }
    for (auto& address : options.reserved) {
        if (address.is_v6() && !network->pool6_) continue;
        TRY((address.is_v6() ? *network->pool6_ : network->pool_).request(address, kReservedOwner));
    }
    if (made.internal) return network;
    network->gateway_ = options.default_gateway.value_or(made.address.address);
    if (options.default_gateway) TRY(network->pool_.request(network->gateway_, kGatewayOwner));
    if (!network->pool6_) return network;
    network->gateway6_ = options.default_gateway6.value_or(made.address6.address);
    if (options.default_gateway6) TRY(network->pool6_->request(network->gateway6_, kGatewayOwner));
    return network;
}

Result<Endpoint> BridgeNetwork::allocate(const std::string& owner, const AddressRequest& request) {
    if (request.address6 && !pool6_)
        return fail(ErrorKind::InvalidArgument, concat("Invalid address ", request.address6->text(),
                                                       ": It does not belong to any of this network's subnets"));
    Endpoint endpoint{.gateway = gateway_, .mac = request.mac};
    endpoint.address = {TRY(take(pool_, owner, request.address)), bridge_.address.length};
    if (!pool6_) return endpoint;
    auto address6 = take(*pool6_, owner, request.address6);
    if (!address6) {
        pool_.release(endpoint.address.address);
        return fail(std::move(address6).error());
    }
    endpoint.address6 = {*address6, bridge_.address6.length};
    endpoint.gateway6 = gateway6_;
    return endpoint;
}

Result<void> BridgeNetwork::restore(const std::string& owner, const Endpoint& endpoint) {
    if (!endpoint.address.is_none()) TRY(pool_.request(endpoint.address.address, owner));
    if (!endpoint.address6.is_none() && pool6_) TRY(pool6_->request(endpoint.address6.address, owner));
    return {};
}

void BridgeNetwork::release(const Endpoint& endpoint) {
    if (!endpoint.address.is_none()) pool_.release(endpoint.address.address);
    if (!endpoint.address6.is_none() && pool6_) pool6_->release(endpoint.address6.address);
}

}  // namespace proa::network
