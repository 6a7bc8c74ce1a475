#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "os/ip_address.h"
#include "os/netlink.h"

// Just enough of nf_tables' netlink protocol for our one table: no library, no text grammar. Byte layouts: nft(8) for the
// meaning, linux/netfilter/nf_tables.h for the attributes.
namespace proa::network {

/// Data types as nft(8) shows them; two or more make a concatenation ("tcp . 80").
enum class NftType : uint32_t { Ipv4Address = 7, Ipv6Address = 8, Protocol = 12, Port = 13, Interface = 41 };

struct NftSet {
    std::string name;
    std::vector<NftType> key;
    std::vector<NftType> data;  ///< empty: a set; else a map
    /// None: single keys. Keys: ranges of the whole key (see NftTransaction::range). Fields: each field of a concatenation is a range of
    /// its own (Element::key_end), since kernel 5.6.
    enum class Ranges { None, Keys, Fields } ranges = Ranges::None;
    bool data_ranges = false;   ///< what the map returns is a range: all fields of its first, then all fields of its last value
};

/// Registers in units of four bytes: a concatenated key starts at kKey, what a map returns at kData.
constexpr uint32_t kNftKey = 8;        ///< NFT_REG32_00
constexpr uint32_t kNftData = 8 + 8;   ///< NFT_REG32_08

/// The expressions of one rule, in order. A rule ends where an expression does not match.
class NftRule {
public:
    explicit NftRule(os::NetlinkBatch& batch) : batch_(batch) {}
    NftRule& incoming_interface(uint32_t to = kNftKey);   ///< 16 bytes, padded with NULs
    NftRule& outgoing_interface(uint32_t to = kNftKey);
    NftRule& protocol(uint32_t to = kNftKey);             ///< of the transport
    NftRule& destination_port(uint32_t to = kNftKey);
    NftRule& ipv4();                                      ///< matches IPv4 packets only
    NftRule& ipv6();
    NftRule& ipv4_source(uint32_t to = kNftKey);
    NftRule& ipv4_destination(uint32_t to = kNftKey);
    NftRule& ipv6_source(uint32_t to = kNftKey);
    NftRule& ipv6_destination(uint32_t to = kNftKey);
    NftRule& destination_is_local();                      ///< an address of this host (fib daddr type local)
    NftRule& mask(std::string_view mask, uint32_t at = kNftKey);
    NftRule& equals(std::string_view value, uint32_t at = kNftKey);
    NftRule& differs(std::string_view value, uint32_t at = kNftKey);
    NftRule& load(std::string_view value, uint32_t to);   ///< puts a constant into a register
    NftRule& in(std::string_view set, uint32_t key = kNftKey);
    NftRule& not_in(std::string_view set, uint32_t key = kNftKey);
    NftRule& map(std::string_view map, uint32_t key = kNftKey, uint32_t to = kNftData);
    NftRule& connection_established();                    ///< ct state established,related
    NftRule& connection_has_dnat();                       ///< ct status dnat
    void dnat(bool ipv6);                                 ///< to the address and port at kNftData
    /// To the range at kNftKey (address, MIN, address, MAX: a map's data_ranges): port p becomes MIN + p mod (MAX - MIN + 1).
    void dnat_shifted(bool ipv6);
    void masquerade();
    void accept();
    void drop();
    void leave();                                         ///< back to the calling chain
    void jump(std::string_view chain);

private:
    void meta(uint32_t key, uint32_t to);
    void payload(uint32_t base, uint32_t offset, uint32_t length, uint32_t to);
    void compare(uint32_t operation, std::string_view value, uint32_t at);
    void lookup(std::string_view set, uint32_t key, uint32_t to, bool inverted);
    void connection_bits(uint32_t key, uint32_t bits);
    void verdict(uint32_t code, std::string_view chain);
    void expression(const char* name, const std::function<void()>& attributes);
    os::NetlinkBatch& batch_;
};

/// One atomic change of one `inet` table: all of it takes effect at one moment or nothing does.
class NftTransaction {
public:
    explicit NftTransaction(std::string table);

    void add_table();     ///< no error when it is there
    void delete_table();  ///< with all that is in it
    void add_set(const NftSet& set);
    void add_chain(const std::string& name);
    /// `type` is "filter" or "nat", `hook` one of NF_INET_*; policy accept.
    void add_base_chain(const std::string& name, const char* type, uint32_t hook, int32_t priority);
    void add_rule(const std::string& chain, const std::function<void(NftRule&)>& build);

    struct Element {
        std::string key, data;   ///< each part padded to four bytes
        bool range_end = false;  ///< the first key after a range
        std::string key_end;     ///< with Ranges::Fields: the last key, field by field
    };
    /// The two elements that make a subnet in a set of ranges.
    static std::vector<Element> range(const os::IpPrefix& subnet);
    void add_elements(const std::string& set, const std::vector<Element>& elements);
    void remove_elements(const std::string& set, const std::vector<Element>& elements);

    Result<void> commit(os::NetlinkSocket& socket);

private:
    void begin(uint16_t message, uint16_t flags, std::string what);
    void change_elements(uint16_t message, uint16_t flags, const std::string& set, const std::vector<Element>& elements);
    std::string table_;
    os::NetlinkBatch batch_;
    uint32_t set_ids_ = 0;
};

/// A base chain of anybody's, for diagnosis.
struct NftChain {
    uint8_t family;
    std::string table, name, type;
    uint32_t hook = ~0u;     ///< ~0: not a base chain
    bool drops = false;      ///< policy drop
};
Result<std::vector<NftChain>> list_nft_chains(os::NetlinkSocket& socket);
/// Whether any rule of that chain mentions `text` (an interface name) in its bytes.
Result<bool> nft_chain_mentions(os::NetlinkSocket& socket, const NftChain& chain, std::string_view text);

struct PortRange {
    uint16_t first = 0, last = 0;
};

/// Forgets tracked UDP flows to these host ports, so that their next packet meets the new rules. Ports without a flow: no error.
Result<void> forget_udp_flows(os::NetlinkSocket& socket, const std::vector<PortRange>& host_ports);

}  // namespace proa::network
