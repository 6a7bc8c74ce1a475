#include "network/address_pool.h"

#include <netinet/in.h>

#include <cstring>

#include "base/text.h"

namespace proa::network {

Result<AddressPool> AddressPool::create(const Options& options) {
    AddressPool pool;
    pool.subnet_ = options.subnet.network();
    pool.family_ = pool.subnet_.address.family();
    const os::IpPrefix range = options.range ? options.range->network() : pool.subnet_;
    if (!pool.subnet_.contains(range))
        return fail(ErrorKind::InvalidArgument,
                    concat("address range ", range.text(), " is not within subnet ", pool.subnet_.text()));
    pool.first_ = range.first().number();
    pool.last_ = range.last().number();
    while (pool.first_ <= pool.last_ && !pool.is_host(pool.first_)) pool.first_++;
    while (pool.last_ >= pool.first_ && !pool.is_host(pool.last_)) pool.last_--;
    if (pool.first_ > pool.last_)
        return fail(ErrorKind::InvalidArgument, concat("subnet ", pool.subnet_.text(), " has no room for a host"));
    pool.previous_ = pool.first_ - 1;
    return pool;
}

AddressPool::AddressPool(AddressPool&& other) noexcept
    : subnet_(other.subnet_), family_(other.family_), first_(other.first_), last_(other.last_), previous_(other.previous_),
      owners_(std::move(other.owners_)) {}

bool AddressPool::is_host(Number number) const {
    // A /31, /32 or /127 has hosts only (RFC 3021, RFC 6164).
    if (subnet_.address.bits() - subnet_.length < 2) return true;
    if (number == subnet_.first().number()) return false;
    return family_ == AF_INET6 || number != subnet_.last().number();
}

Result<os::IpAddress> AddressPool::next(const std::string& owner) {
    std::lock_guard lock(mutex_);
    // Two passes: from the last one given out to the end, then from the start. owners_ is sorted, so a run of taken
    // addresses is walked beside the counter.
    const Number starts[2] = {previous_ + 1, first_};
    for (Number candidate : starts) {
        auto taken = owners_.lower_bound(candidate);
        while (candidate <= last_ && taken != owners_.end() && taken->first == candidate) candidate++, taken++;
        if (candidate < first_ || candidate > last_) continue;
        owners_[candidate] = owner;
        previous_ = candidate;
        return os::IpAddress::from_number(family_, candidate);
    }
    return fail(ErrorKind::Unavailable, concat("no available IPv", family_ == AF_INET ? "4" : "6",
                                               " addresses on this network's address pools: ", subnet_.text()));
}

Result<void> AddressPool::request(const os::IpAddress& address, const std::string& owner) {
    if (!subnet_.contains(address))
        return fail(ErrorKind::InvalidArgument, concat("Invalid address ", address.text(),
                                                       ": It does not belong to any of this network's subnets"));
    if (!is_host(address.number()))
        return fail(ErrorKind::InvalidArgument,
                    concat("Invalid address ", address.text(), ": it is the network or broadcast address of ", subnet_.text()));
    std::lock_guard lock(mutex_);
    auto [entry, fresh] = owners_.try_emplace(address.number(), owner);
    if (!fresh && entry->second != owner)
        return fail(ErrorKind::Forbidden, concat("Address already in use: ", address.text(), " belongs to ", entry->second));
    return {};
}

void AddressPool::release(const os::IpAddress& address) {
    std::lock_guard lock(mutex_);
    if (address.family() == family_) owners_.erase(address.number());
}

size_t AddressPool::used() const {
    std::lock_guard lock(mutex_);
    return owners_.size();
}

std::vector<SubnetPool> default_subnet_pools() {
    std::vector<SubnetPool> pools;
    for (const char* base : {"172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/14", "172.24.0.0/14", "172.28.0.0/14"})
        pools.push_back({*os::IpPrefix::parse(base), 16});
    pools.push_back({*os::IpPrefix::parse("192.168.0.0/16"), 20});
    return pools;
}

os::IpPrefix random_ula() {
    std::string bytes(16, '\0');
    os::MacAddress a = os::random_mac(), b = os::random_mac();
    bytes[0] = static_cast<char>(0xfd);
    memcpy(bytes.data() + 1, a.data() + 1, 5);
    memcpy(bytes.data() + 6, b.data() + 1, 2);
    return {os::IpAddress::from_bytes(bytes), 64};
}

os::IpPrefix first_host(const os::IpPrefix& subnet) {
    const bool hosts_only = subnet.address.bits() - subnet.length < 2;  // RFC 3021, RFC 6164
    return {os::IpAddress::from_number(subnet.address.family(), subnet.first().number() + (hosts_only ? 0 : 1)), subnet.length};
}

Result<os::IpPrefix> choose_subnet(const std::vector<SubnetPool>& pools, const std::vector<os::IpPrefix>& taken) {
    constexpr int kStepsMax = 65536;  // an IPv6 base of /48 in /64 pieces
    for (auto& pool : pools) {
        const int family = pool.base.address.family();
        const unsigned __int128 step = static_cast<unsigned __int128>(1) << (pool.base.address.bits() - pool.size);
        os::IpPrefix candidate{pool.base.first(), pool.size};
        for (int steps = 0; steps < kStepsMax && pool.base.contains(candidate); steps++) {
            bool free = true;
            for (auto& other : taken) free = free && !candidate.overlaps(other);
            if (free) return candidate;
            candidate.address = os::IpAddress::from_number(family, candidate.address.number() + step);
        }
    }
    return fail(ErrorKind::Unavailable, "all predefined address pools have been fully subnetted");
}

}  // namespace proa::network
