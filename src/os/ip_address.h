#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sockaddr_storage;

namespace proa::os {

using MacAddress = std::array<uint8_t, 6>;
std::string mac_text(const MacAddress& mac);                    ///< "02:42:ac:11:00:02"
std::optional<MacAddress> parse_mac(std::string_view text);     ///< six groups of two hex digits between ':' or '-'
/// Random, unicast, locally administered.
MacAddress random_mac();

/// One IPv4 or IPv6 address. A default-constructed one is "none" (family 0).
class IpAddress {
public:
    IpAddress() = default;
    static IpAddress v4(uint32_t host_order);
    static IpAddress v6(const std::array<uint8_t, 16>& bytes);
    static IpAddress any4() { return v4(0); }
    static IpAddress any6() { return v6({}); }
    /// Numeric text without zone; nullopt when it is anything else. Never resolves names.
    static std::optional<IpAddress> parse(std::string_view text);
    /// From `size` raw network-order bytes: 4 or 16, anything else gives "none".
    static IpAddress from_bytes(std::string_view bytes);

    bool is_none() const { return size_ == 0; }
    bool is_v4() const { return size_ == 4; }
    bool is_v6() const { return size_ == 16; }
    int family() const;  ///< AF_INET, AF_INET6 or AF_UNSPEC
    int bits() const { return size_ * 8; }
    bool is_unspecified() const;  ///< 0.0.0.0 or ::
    bool is_loopback() const;     ///< 127.0.0.0/8 or ::1
    bool is_link_local() const;   ///< 169.254.0.0/16 or fe80::/10
    /// Network order: 4, 16 or 0 bytes; valid as long as the object.
    std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), size_}; }
    std::string text() const;  ///< "" for none

    /// The address as a number within its family, for arithmetic on subnets.
    unsigned __int128 number() const;
    static IpAddress from_number(int family, unsigned __int128 number);

    /// Fills a socket address and returns its length.
    unsigned to_socket_address(uint16_t port, sockaddr_storage& out) const;

    auto operator<=>(const IpAddress&) const = default;

private:
    uint8_t size_ = 0;
    std::array<uint8_t, 16> bytes_{};
};

/// An address with a prefix length: an interface's address ("172.17.0.1/16") or a subnet ("172.17.0.0/16").
struct IpPrefix {
    IpAddress address;
    int length = 0;

    static std::optional<IpPrefix> parse(std::string_view text);  ///< "address/length"; host bits are kept
    std::string text() const;
    bool is_none() const { return address.is_none(); }
    IpPrefix network() const;             ///< host bits cleared
    IpAddress first() const;              ///< the network address
    IpAddress last() const;               ///< all host bits set (IPv4: the broadcast address)
    bool contains(const IpAddress& other) const;
    bool contains(const IpPrefix& other) const;
    bool overlaps(const IpPrefix& other) const;
    auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace proa::os
