#include "network/nft.h"

#include <netinet/in.h>
// glibc's addresses must be known before the kernel's headers.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace proa::network {

namespace {
constexpr size_t kElementsPerMessage = 400;  // a nested attribute holds at most 64 KiB
constexpr uint32_t kTypeBits = 6;            // nft's own packing of concatenated type numbers
constexpr uint32_t kNetworkHeader = NFT_PAYLOAD_NETWORK_HEADER, kTransportHeader = NFT_PAYLOAD_TRANSPORT_HEADER;

/// libnftnl's NFTNL_UDATA_SET_KEYBYTEORDER = 1 (host): type, length, value.
constexpr std::string_view kHostByteOrder{"\0\x04\x01\0\0\0", 6};
/// NFTNL_UDATA_SET_DATA_INTERVAL = 1.
constexpr std::string_view kDataRanges{"\x06\x04\x01\0\0\0", 6};

nfgenmsg family_header(uint8_t family, uint16_t resource = 0) { return {family, NFNETLINK_V0, htons(resource)}; }

uint16_t message_type(uint16_t subsystem, uint16_t message) { return static_cast<uint16_t>(subsystem << 8 | message); }

std::string_view attributes_of(const os::NetlinkReply& reply) {
    std::string_view body = reply.body;
    return body.substr(std::min(body.size(), sizeof(nfgenmsg)));
}

uint32_t size_of(NftType type) {
    switch (type) {
        case NftType::Ipv6Address:
        case NftType::Interface: return 16;
        default: return 4;  // shorter ones are padded
    }
}

/// Without the padding.
uint32_t field_size(NftType type) {
    switch (type) {
        case NftType::Protocol: return 1;
        case NftType::Port: return 2;
        default: return size_of(type);
    }
}

std::pair<uint32_t, uint32_t> packed(const std::vector<NftType>& types) {
    uint32_t number = 0, bytes = 0;
    for (NftType type : types) {
        number = number << kTypeBits | static_cast<uint32_t>(type);
        bytes += size_of(type);
    }
    return {number, bytes};
}

template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}
}  // namespace

void NftRule::expression(const char* name, const std::function<void()>& attributes) {
    size_t element = batch_.open_nest(NFTA_LIST_ELEM);
    batch_.put_text(NFTA_EXPR_NAME, name);
    size_t data = batch_.open_nest(NFTA_EXPR_DATA);
    attributes();
    batch_.close_nest(data);
    batch_.close_nest(element);
}

void NftRule::meta(uint32_t key, uint32_t to) {
    expression("meta", [&] {
        batch_.put_be32(NFTA_META_DREG, to);
        batch_.put_be32(NFTA_META_KEY, key);
    });
}

void NftRule::payload(uint32_t base, uint32_t offset, uint32_t length, uint32_t to) {
    expression("payload", [&] {
        batch_.put_be32(NFTA_PAYLOAD_DREG, to);
        batch_.put_be32(NFTA_PAYLOAD_BASE, base);
        batch_.put_be32(NFTA_PAYLOAD_OFFSET, offset);
        batch_.put_be32(NFTA_PAYLOAD_LEN, length);
    });
}

void NftRule::compare(uint32_t operation, std::string_view value, uint32_t at) {
    expression("cmp", [&] {
        batch_.put_be32(NFTA_CMP_SREG, at);
        batch_.put_be32(NFTA_CMP_OP, operation);
        size_t data = batch_.open_nest(NFTA_CMP_DATA);
        batch_.put(NFTA_DATA_VALUE, value);
        batch_.close_nest(data);
    });
}

void NftRule::lookup(std::string_view set, uint32_t key, uint32_t to, bool inverted) {
    expression("lookup", [&] {
        batch_.put_text(NFTA_LOOKUP_SET, set);
        batch_.put_be32(NFTA_LOOKUP_SREG, key);
        if (to != 0) batch_.put_be32(NFTA_LOOKUP_DREG, to);
        if (inverted) batch_.put_be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    });
}

void NftRule::verdict(uint32_t code, std::string_view chain) {
    expression("immediate", [&] {
        batch_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        size_t data = batch_.open_nest(NFTA_IMMEDIATE_DATA);
        size_t verdict = batch_.open_nest(NFTA_DATA_VERDICT);
        batch_.put_be32(NFTA_VERDICT_CODE, code);
        if (!chain.empty()) batch_.put_text(NFTA_VERDICT_CHAIN, chain);
        batch_.close_nest(verdict);
        batch_.close_nest(data);
    });
}

NftRule& NftRule::incoming_interface(uint32_t to) { return meta(NFT_META_IIFNAME, to), *this; }
NftRule& NftRule::outgoing_interface(uint32_t to) { return meta(NFT_META_OIFNAME, to), *this; }
NftRule& NftRule::protocol(uint32_t to) { return meta(NFT_META_L4PROTO, to), *this; }
NftRule& NftRule::destination_port(uint32_t to) { return payload(kTransportHeader, 2, 2, to), *this; }
NftRule& NftRule::ipv4_source(uint32_t to) { return payload(kNetworkHeader, 12, 4, to), *this; }
NftRule& NftRule::ipv4_destination(uint32_t to) { return payload(kNetworkHeader, 16, 4, to), *this; }
NftRule& NftRule::ipv6_source(uint32_t to) { return payload(kNetworkHeader, 8, 16, to), *this; }
NftRule& NftRule::ipv6_destination(uint32_t to) { return payload(kNetworkHeader, 24, 16, to), *this; }

NftRule& NftRule::ipv4() {
    meta(NFT_META_NFPROTO, kNftKey);
    return equals({"\x02", 1});
}
NftRule& NftRule::ipv6() {
    meta(NFT_META_NFPROTO, kNftKey);
    return equals({"\x0a", 1});
}

NftRule& NftRule::destination_is_local() {
    expression("fib", [&] {
        batch_.put_be32(NFTA_FIB_DREG, kNftKey);
        batch_.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        batch_.put_be32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    });
    uint32_t local = RTN_LOCAL;
    return equals(bytes_of(local));
}

NftRule& NftRule::mask(std::string_view mask, uint32_t at) {
    std::string zero(mask.size(), '\0');
    expression("bitwise", [&] {
        batch_.put_be32(NFTA_BITWISE_SREG, at);
        batch_.put_be32(NFTA_BITWISE_DREG, at);
        batch_.put_be32(NFTA_BITWISE_LEN, static_cast<uint32_t>(mask.size()));
        size_t bits = batch_.open_nest(NFTA_BITWISE_MASK);
        batch_.put(NFTA_DATA_VALUE, mask);
        batch_.close_nest(bits);
        size_t flip = batch_.open_nest(NFTA_BITWISE_XOR);
        batch_.put(NFTA_DATA_VALUE, zero);
        batch_.close_nest(flip);
    });
    return *this;
}

NftRule& NftRule::equals(std::string_view value, uint32_t at) { return compare(NFT_CMP_EQ, value, at), *this; }
NftRule& NftRule::differs(std::string_view value, uint32_t at) { return compare(NFT_CMP_NEQ, value, at), *this; }
NftRule& NftRule::load(std::string_view value, uint32_t to) {
    expression("immediate", [&] {
        batch_.put_be32(NFTA_IMMEDIATE_DREG, to);
        size_t data = batch_.open_nest(NFTA_IMMEDIATE_DATA);
        batch_.put(NFTA_DATA_VALUE, value);
        batch_.close_nest(data);
    });
    return *this;
}
NftRule& NftRule::in(std::string_view set, uint32_t key) { return lookup(set, key, 0, false), *this; }
NftRule& NftRule::not_in(std::string_view set, uint32_t key) { return lookup(set, key, 0, true), *this; }
NftRule& NftRule::map(std::string_view map, uint32_t key, uint32_t to) { return lookup(map, key, to, false), *this; }

void NftRule::connection_bits(uint32_t key, uint32_t bits) {
    expression("ct", [&] {
        batch_.put_be32(NFTA_CT_DREG, kNftKey);
        batch_.put_be32(NFTA_CT_KEY, key);
    });
    uint32_t zero = 0;
    mask(bytes_of(bits)).differs(bytes_of(zero));
}

NftRule& NftRule::connection_established() {
    connection_bits(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
    return *this;
}
NftRule& NftRule::connection_has_dnat() { return connection_bits(NFT_CT_STATUS, IPS_DST_NAT), *this; }

void NftRule::dnat(bool ipv6) {
    uint32_t port_register = kNftData + (ipv6 ? 4 : 1);
    expression("nat", [&] {
        batch_.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
        batch_.put_be32(NFTA_NAT_FAMILY, ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
        batch_.put_be32(NFTA_NAT_REG_ADDR_MIN, kNftData);
        batch_.put_be32(NFTA_NAT_REG_PROTO_MIN, port_register);
    });
}

void NftRule::dnat_shifted(bool ipv6) {
    const uint32_t words = ipv6 ? 4 : 1, last = kNftKey + words + 1;
    expression("nat", [&] {
        batch_.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
        batch_.put_be32(NFTA_NAT_FAMILY, ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
        batch_.put_be32(NFTA_NAT_REG_ADDR_MIN, kNftKey);
        batch_.put_be32(NFTA_NAT_REG_ADDR_MAX, last);
        batch_.put_be32(NFTA_NAT_REG_PROTO_MIN, kNftKey + words);
        batch_.put_be32(NFTA_NAT_REG_PROTO_MAX, last + words);
        // What iptables calls a shifted port map; nf_tables has no base port for it, so the base is port 0.
        batch_.put_be32(NFTA_NAT_FLAGS, NF_NAT_RANGE_PROTO_OFFSET);
    });
}

void NftRule::masquerade() {
    expression("masq", [] {});
}
void NftRule::accept() { verdict(NF_ACCEPT, {}); }
void NftRule::drop() { verdict(NF_DROP, {}); }
void NftRule::leave() { verdict(static_cast<uint32_t>(NFT_RETURN), {}); }
void NftRule::jump(std::string_view chain) { verdict(static_cast<uint32_t>(NFT_JUMP), chain); }

NftTransaction::NftTransaction(std::string table) : table_(std::move(table)) {
    batch_.begin(NFNL_MSG_BATCH_BEGIN, 0, "begin nftables transaction");
    batch_.header(family_header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

void NftTransaction::begin(uint16_t message, uint16_t flags, std::string what) {
    batch_.begin(message_type(NFNL_SUBSYS_NFTABLES, message), flags, concat("nftables table ", table_, ": ", what));
    batch_.header(family_header(NFPROTO_INET));
    batch_.put_text(1 /* NFTA_TABLE_NAME and the _TABLE of all others */, table_);
}

void NftTransaction::add_table() { begin(NFT_MSG_NEWTABLE, NLM_F_CREATE, "create"); }
void NftTransaction::delete_table() { begin(NFT_MSG_DELTABLE, 0, "delete"); }

void NftTransaction::add_set(const NftSet& set) {
    begin(NFT_MSG_NEWSET, NLM_F_CREATE, concat("create set ", set.name));
    batch_.put_text(NFTA_SET_NAME, set.name);
    auto [key_type, key_bytes] = packed(set.key);
    // NFT_SET_CONCAT is only for concatenations of ranges.
    uint32_t flags = set.data.empty() ? 0 : NFT_SET_MAP;
    if (set.ranges != NftSet::Ranges::None) flags |= NFT_SET_INTERVAL;
    if (set.ranges == NftSet::Ranges::Fields) flags |= NFT_SET_CONCAT;
    batch_.put_be32(NFTA_SET_FLAGS, flags);
    batch_.put_be32(NFTA_SET_KEY_TYPE, key_type);
    batch_.put_be32(NFTA_SET_KEY_LEN, key_bytes);
    if (!set.data.empty()) {
        auto [data_type, data_bytes] = packed(set.data);
        batch_.put_be32(NFTA_SET_DATA_TYPE, data_type);
        batch_.put_be32(NFTA_SET_DATA_LEN, data_bytes * (set.data_ranges ? 2 : 1));
    }
    if (set.ranges == NftSet::Ranges::Fields) {
        size_t description = batch_.open_nest(NFTA_SET_DESC);
        size_t fields = batch_.open_nest(NFTA_SET_DESC_CONCAT);
        for (NftType type : set.key) {
            size_t field = batch_.open_nest(NFTA_LIST_ELEM);
            batch_.put_be32(NFTA_SET_FIELD_LEN, field_size(type));
            batch_.close_nest(field);
        }
        batch_.close_nest(fields);
        batch_.close_nest(description);
    }
    batch_.put_be32(NFTA_SET_ID, ++set_ids_);
    // For nft(8) only, which would print interface names backwards without it.
    if (set.key == std::vector{NftType::Interface}) batch_.put(NFTA_SET_USERDATA, kHostByteOrder);
    if (set.data_ranges) batch_.put(NFTA_SET_USERDATA, kDataRanges);
}

void NftTransaction::add_chain(const std::string& name) {
    begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE, concat("create chain ", name));
    batch_.put_text(NFTA_CHAIN_NAME, name);
}

void NftTransaction::add_base_chain(const std::string& name, const char* type, uint32_t hook, int32_t priority) {
    add_chain(name);
    size_t nest = batch_.open_nest(NFTA_CHAIN_HOOK);
    batch_.put_be32(NFTA_HOOK_HOOKNUM, hook);
    batch_.put_be32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(priority));
    batch_.close_nest(nest);
    batch_.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    batch_.put_text(NFTA_CHAIN_TYPE, type);
}

void NftTransaction::add_rule(const std::string& chain, const std::function<void(NftRule&)>& build) {
    begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, concat("create a rule in ", chain));
    batch_.put_text(NFTA_RULE_CHAIN, chain);
    size_t expressions = batch_.open_nest(NFTA_RULE_EXPRESSIONS);
    NftRule rule(batch_);
    build(rule);
    batch_.close_nest(expressions);

}

std::vector<NftTransaction::Element> NftTransaction::range(const os::IpPrefix& subnet) {
    auto after = os::IpAddress::from_number(subnet.address.family(), subnet.last().number() + 1);
    std::vector<Element> ends = {{.key = std::string(subnet.first().bytes())}};
    // A range up to the last address has no end element.
    if (after > subnet.first()) ends.push_back({.key = std::string(after.bytes()), .range_end = true});
    return ends;
}

void NftTransaction::change_elements(uint16_t message, uint16_t flags, const std::string& set,
                                     const std::vector<Element>& elements) {
    for (size_t start = 0; start < elements.size(); start += kElementsPerMessage) {
        begin(message, flags, concat(message == NFT_MSG_NEWSETELEM ? "add elements to " : "remove elements from ", set));
        batch_.put_text(NFTA_SET_ELEM_LIST_SET, set);
        size_t list = batch_.open_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
        for (size_t i = start; i < std::min(elements.size(), start + kElementsPerMessage); i++) {
            size_t element = batch_.open_nest(NFTA_LIST_ELEM);
            size_t key = batch_.open_nest(NFTA_SET_ELEM_KEY);
            batch_.put(NFTA_DATA_VALUE, elements[i].key);
            batch_.close_nest(key);
            if (!elements[i].key_end.empty()) {
                size_t end = batch_.open_nest(NFTA_SET_ELEM_KEY_END);
                batch_.put(NFTA_DATA_VALUE, elements[i].key_end);
                batch_.close_nest(end);
            }
            if (elements[i].range_end) batch_.put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
            if (!elements[i].data.empty()) {
                size_t data = batch_.open_nest(NFTA_SET_ELEM_DATA);
                batch_.put(NFTA_DATA_VALUE, elements[i].data);
                batch_.close_nest(data);
            }
            batch_.close_nest(element);
        }
        batch_.close_nest(list);
    }
}

void NftTransaction::add_elements(const std::string& set, const std::vector<Element>& elements) {
    change_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, elements);
}
void NftTransaction::remove_elements(const std::string& set, const std::vector<Element>& elements) {
    change_elements(NFT_MSG_DELSETELEM, 0, set, elements);
}

Result<void> NftTransaction::commit(os::NetlinkSocket& socket) {
    if (batch_.size() == 1) return {};
    // One answer is enough: refusals are reported for every message, asked for or not.
    batch_.acknowledge_last();
    batch_.begin(NFNL_MSG_BATCH_END, 0, "commit nftables transaction");
    batch_.header(family_header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    return socket.transact(batch_);
}

Result<std::vector<NftChain>> list_nft_chains(os::NetlinkSocket& socket) {
    os::NetlinkBatch batch;
    batch.begin(message_type(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN), NLM_F_DUMP, "list nftables chains");
    batch.header(family_header(AF_UNSPEC));
    std::vector<NftChain> chains;
    for (auto& reply : TRY(socket.dump(batch))) {
        NftChain chain{.family = static_cast<uint8_t>(reply.body.empty() ? 0 : reply.body[0])};
        for (os::NetlinkAttribute a(attributes_of(reply)); a.good(); a.next()) switch (a.type()) {
                case NFTA_CHAIN_TABLE: chain.table = a.text(); break;
                case NFTA_CHAIN_NAME: chain.name = a.text(); break;
                case NFTA_CHAIN_TYPE: chain.type = a.text(); break;
                case NFTA_CHAIN_POLICY: chain.drops = a.be32() == NF_DROP; break;
                case NFTA_CHAIN_HOOK:
                    for (os::NetlinkAttribute hook(a.value()); hook.good(); hook.next())
                        if (hook.type() == NFTA_HOOK_HOOKNUM) chain.hook = hook.be32();
                    break;
                default: break;
            }
        chains.push_back(std::move(chain));
    }
    return chains;
}

Result<bool> nft_chain_mentions(os::NetlinkSocket& socket, const NftChain& chain, std::string_view text) {
    os::NetlinkBatch batch;
    batch.begin(message_type(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE), NLM_F_DUMP, concat("list rules of ", chain.table));
    batch.header(family_header(chain.family));
    batch.put_text(NFTA_RULE_TABLE, chain.table);
    batch.put_text(NFTA_RULE_CHAIN, chain.name);
    for (auto& reply : TRY(socket.dump(batch)))
        if (reply.body.find(text) != std::string::npos) return true;
    return false;
}

namespace {
struct Flow {
    uint8_t family = 0, protocol = 0;
    uint16_t destination_port = 0;
    std::string original_tuple, id;
};

Flow read_flow(const os::NetlinkReply& reply) {
    Flow flow{.family = static_cast<uint8_t>(reply.body.empty() ? 0 : reply.body[0])};
    for (os::NetlinkAttribute a(attributes_of(reply)); a.good(); a.next()) {
        if (a.type() == CTA_ID) flow.id = a.value();
        if (a.type() != CTA_TUPLE_ORIG) continue;
        flow.original_tuple = a.value();
        for (os::NetlinkAttribute tuple(a.value()); tuple.good(); tuple.next()) {
            if (tuple.type() != CTA_TUPLE_PROTO) continue;
            for (os::NetlinkAttribute proto(tuple.value()); proto.good(); proto.next()) {
                if (proto.type() == CTA_PROTO_NUM && !proto.value().empty()) flow.protocol = static_cast<uint8_t>(proto.value()[0]);
                if (proto.type() == CTA_PROTO_DST_PORT) flow.destination_port = ntohs(proto.u16());
            }
        }
    }
    return flow;
}
}  // namespace

Result<void> forget_udp_flows(os::NetlinkSocket& socket, const std::vector<PortRange>& host_ports) {
    if (host_ports.empty()) return {};
    os::NetlinkBatch list;
    list.begin(message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET), NLM_F_DUMP, "list tracked flows");
    list.header(family_header(AF_UNSPEC));
    for (auto& reply : TRY(socket.dump(list))) {
        Flow flow = read_flow(reply);
        if (flow.protocol != IPPROTO_UDP) continue;
        auto is_meant = [&](const PortRange& range) { return range.first <= flow.destination_port && flow.destination_port <= range.last; };
        if (std::none_of(host_ports.begin(), host_ports.end(), is_meant)) continue;
        os::NetlinkBatch remove;
        remove.begin(message_type(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE), NLM_F_ACK, "forget a tracked flow");
        remove.header(family_header(flow.family));
        size_t tuple = remove.open_nest(CTA_TUPLE_ORIG);
        remove.append(flow.original_tuple);
        remove.close_nest(tuple);
        if (!flow.id.empty()) remove.put(CTA_ID, flow.id);
        auto removed = socket.transact(remove);
        if (!removed && !removed.error().is(ErrorKind::NotFound)) return removed;
    }
    return {};
}

}  // namespace proa::network
