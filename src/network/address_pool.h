#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "os/ip_address.h"

namespace proa::network {

/// The addresses of one subnet of a network: who has which. Works for IPv4 and IPv6. Thread-safe.
/// State lives in memory; after a restart the records' addresses are taken again with request().
class AddressPool {
public:
    struct Options {
        os::IpPrefix subnet;
        std::optional<os::IpPrefix> range;  ///< --ip-range, --fixed-cidr: where next() looks; nullopt: the whole subnet
    };
    /// InvalidArgument when the range is outside the subnet or the subnet has no room for a host.
    static Result<AddressPool> create(const Options& options);

    AddressPool(AddressPool&& other) noexcept;

    /// The next free address after the last one given out, as Docker does: a freed address is not used again before the range
    /// has been gone through. `owner` (a container id, "gateway") is named in conflicts.
    /// Errors: Unavailable "no available IPv4 addresses on this network's address pools".
    Result<os::IpAddress> next(const std::string& owner);

    /// A specific address. InvalidArgument outside the subnet or for its network or broadcast address; Forbidden "Address
    /// already in use" when another owner has it. Idempotent for the same owner.
    Result<void> request(const os::IpAddress& address, const std::string& owner);

    void release(const os::IpAddress& address);  ///< no error when it is free

    const os::IpPrefix& subnet() const { return subnet_; }
    size_t used() const;

private:
    using Number = unsigned __int128;
    AddressPool() = default;
    bool is_host(Number number) const;

    os::IpPrefix subnet_;
    int family_ = 0;
    Number first_ = 0, last_ = 0;  ///< the range, both inclusive, without network and broadcast address
    Number previous_ = 0;          ///< last given out by next(), first_ - 1 at the start
    mutable std::mutex mutex_;
    std::map<Number, std::string> owners_;
};

/// Subnets that networks without a subnet of their own get: --default-address-pool base=,size=.
struct SubnetPool {
    os::IpPrefix base;
    int size = 16;  ///< prefix length of each subnet
};

/// Docker's: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in /20 pieces. Spec: daemon.md, --default-address-pool
std::vector<SubnetPool> default_subnet_pools();

/// The first subnet of `pools` that overlaps none of `taken` (routes, interface addresses, name servers, other networks).
/// Errors: Unavailable "all predefined address pools have been fully subnetted".
Result<os::IpPrefix> choose_subnet(const std::vector<SubnetPool>& pools, const std::vector<os::IpPrefix>& taken);

/// A random /64 of fd00::/8 (RFC 4193) as the network's own.
os::IpPrefix random_ula();

/// The first address of a subnet that a host may have, with the subnet's length: what a gateway gets without a wish.
os::IpPrefix first_host(const os::IpPrefix& subnet);

}  // namespace proa::network
