#include "os/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <cstring>

#include "base/text.h"

namespace proa::os {

std::string mac_text(const MacAddress& mac) {
    std::string out;
    for (uint8_t byte : mac) {
        if (!out.empty()) out.push_back(':');
        out += hex(std::string_view(reinterpret_cast<const char*>(&byte), 1));
    }
    return out;
}

std::optional<MacAddress> parse_mac(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    MacAddress mac{};
    for (size_t i = 0; i < 6; i++) {
        if (i > 0 && text[i * 3 - 1] != text[2]) return std::nullopt;
        auto byte = parse_uint(text.substr(i * 3, 2), 16);
        if (!byte) return std::nullopt;
        mac[i] = static_cast<uint8_t>(*byte);
    }
    if (text[2] != ':' && text[2] != '-') return std::nullopt;
    return mac;
}

MacAddress random_mac() {
    MacAddress mac{};
    // Cannot fail for so few bytes once the kernel's generator is seeded; blocks before that. man: getrandom(2)
    while (::getrandom(mac.data(), mac.size(), 0) != static_cast<ssize_t>(mac.size())) {}
    mac[0] = static_cast<uint8_t>((mac[0] & ~1) | 2);
    return mac;
}

IpAddress IpAddress::v4(uint32_t host_order) { return from_number(AF_INET, host_order); }

IpAddress IpAddress::v6(const std::array<uint8_t, 16>& bytes) {
    IpAddress address;
    address.size_ = 16;
    address.bytes_ = bytes;
    return address;
}

IpAddress IpAddress::from_bytes(std::string_view bytes) {
    IpAddress address;
    if (bytes.size() != 4 && bytes.size() != 16) return address;
    address.size_ = static_cast<uint8_t>(bytes.size());
    memcpy(address.bytes_.data(), bytes.data(), bytes.size());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char terminated[INET6_ADDRSTRLEN];
    if (text.empty() || text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return std::nullopt;
    memcpy(terminated, text.data(), text.size());
    terminated[text.size()] = 0;
    char raw[16];
    if (::inet_pton(AF_INET, terminated, raw) == 1) return from_bytes({raw, 4});
    if (::inet_pton(AF_INET6, terminated, raw) == 1) return from_bytes({raw, 16});
    return std::nullopt;
}

int IpAddress::family() const { return is_v4() ? AF_INET : is_v6() ? AF_INET6 : AF_UNSPEC; }

bool IpAddress::is_unspecified() const { return !is_none() && number() == 0; }

bool IpAddress::is_loopback() const { return is_v4() ? bytes_[0] == 127 : is_v6() && number() == 1; }

bool IpAddress::is_link_local() const {
    if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
    return is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::text() const {
    char out[INET6_ADDRSTRLEN];
    if (is_none() || !::inet_ntop(family(), bytes_.data(), out, sizeof out)) return {};
    return out;
}

unsigned __int128 IpAddress::number() const {
    unsigned __int128 number = 0;
    for (size_t i = 0; i < size_; i++) number = number << 8 | bytes_[i];
    return number;
}

IpAddress IpAddress::from_number(int family, unsigned __int128 number) {
    IpAddress address;
    address.size_ = family == AF_INET ? 4 : 16;
    for (size_t i = address.size_; i-- > 0; number >>= 8) address.bytes_[i] = static_cast<uint8_t>(number);
    return address;
}

unsigned IpAddress::to_socket_address(uint16_t port, sockaddr_storage& out) const {
    memset(&out, 0, sizeof out);
    if (is_v4()) {
        auto& address = reinterpret_cast<sockaddr_in&>(out);
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        memcpy(&address.sin_addr, bytes_.data(), 4);
        return sizeof address;
    }
    auto& address = reinterpret_cast<sockaddr_in6&>(out);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    memcpy(&address.sin6_addr, bytes_.data(), 16);
    return sizeof address;
}

namespace {
/// Ones where the host part is.
unsigned __int128 host_mask(const IpAddress& address, int length) {
    int host_bits = address.bits() - length;
    if (host_bits >= 128) return ~static_cast<unsigned __int128>(0);
    return (static_cast<unsigned __int128>(1) << host_bits) - 1;
}
}  // namespace

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    auto sides = cut(text, "/");
    if (!sides) return std::nullopt;
    auto address = IpAddress::parse(sides->first);
    auto length = parse_uint(sides->second);
    if (!address || !length || *length > static_cast<uint64_t>(address->bits())) return std::nullopt;
    return IpPrefix{*address, static_cast<int>(*length)};
}

std::string IpPrefix::text() const { return is_none() ? std::string() : concat(address.text(), '/', length); }

IpPrefix IpPrefix::network() const { return {first(), length}; }

IpAddress IpPrefix::first() const {
    return IpAddress::from_number(address.family(), address.number() & ~host_mask(address, length));
}

IpAddress IpPrefix::last() const {
    return IpAddress::from_number(address.family(), address.number() | host_mask(address, length));
}

bool IpPrefix::contains(const IpAddress& other) const {
    return other.family() == address.family() && other >= first() && other <= last();
}

bool IpPrefix::contains(const IpPrefix& other) const { return contains(other.first()) && contains(other.last()); }

bool IpPrefix::overlaps(const IpPrefix& other) const {
    return address.family() == other.address.family() && first() <= other.last() && other.first() <= last();
}

}  // namespace proa::os
