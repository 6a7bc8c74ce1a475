#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "os/fd.h"

// The netlink protocol itself: messages with nested attributes out, acknowledgements and dumps in. What the messages say stands
// in links.h (rtnetlink) and in network/nft.h (nf_tables). man: netlink(7), libnl's documentation of the attribute format
namespace proa::os {

/// One or several netlink messages under construction, sent together by NetlinkSocket::transact. Values go in host byte order
/// unless the name says `be`.
class NetlinkBatch {
public:
    /// Starts a message. `what` names it in errors ("create bridge proa0"). `flags` are NLM_F_*; NLM_F_REQUEST is added.
    void begin(uint16_t type, uint16_t flags, std::string what);
    /// The fixed header that follows nlmsghdr (ifinfomsg, rtmsg, nfgenmsg ...). Once, right after begin().
    template <class Header>
        requires std::is_trivially_copyable_v<Header>
    void header(const Header& value) {
        append({reinterpret_cast<const char*>(&value), sizeof value});
    }

    void put(uint16_t attribute, std::string_view bytes);
    void put_text(uint16_t attribute, std::string_view text);  ///< with a closing NUL
    void put_u8(uint16_t attribute, uint8_t value);
    void put_u16(uint16_t attribute, uint16_t value);
    void put_u32(uint16_t attribute, uint32_t value);
    void put_be16(uint16_t attribute, uint16_t value);
    void put_be32(uint16_t attribute, uint32_t value);
    void put_be64(uint16_t attribute, uint64_t value);
    /// Opens an attribute that holds attributes; close_nest() takes what open_nest() returned. At most 64 KiB of content.
    [[nodiscard]] size_t open_nest(uint16_t attribute);
    void close_nest(size_t nest);
    /// Raw bytes within a nest, padded to four (the struct in VETH_INFO_PEER).
    void append(std::string_view bytes);

    void acknowledge_last();  ///< NLM_F_ACK on the message under construction

    bool empty() const { return messages_.empty(); }
    size_t size() const { return messages_.size(); }
    size_t bytes() const { return data_.size(); }

private:
    friend class NetlinkSocket;
    struct Message {
        size_t offset;
        std::string what;
    };
    std::string data_;
    std::vector<Message> messages_;
};

/// Walks the attributes in a piece of a message: `for (NetlinkAttribute a(bytes); a.good(); a.next())`.
class NetlinkAttribute {
public:
    explicit NetlinkAttribute(std::string_view bytes) : rest_(bytes) { read(); }
    bool good() const { return good_; }
    void next();
    uint16_t type() const { return type_; }  ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    std::string_view value() const { return value_; }
    uint32_t u32() const { return number<uint32_t>(); }
    uint16_t u16() const { return number<uint16_t>(); }
    uint32_t be32() const { return __builtin_bswap32(number<uint32_t>()); }
    std::string_view text() const;  ///< without the closing NUL

private:
    void read();
    template <class T>
    T number() const {
        T out{};
        if (value_.size() >= sizeof out) __builtin_memcpy(&out, value_.data(), sizeof out);
        return out;
    }
    std::string_view rest_, value_;
    uint16_t type_ = 0;
    bool good_ = false;
};

/// One received message: its type and what follows nlmsghdr.
struct NetlinkReply {
    uint16_t type;
    uint32_t port;  ///< nlmsg_pid: who caused it, for notifications
    std::string body;
};

/// A netlink socket of the network namespace in which it was opened, wherever the caller is later.
/// Not thread-safe: one owner, or a mutex beside it.
class NetlinkSocket {
public:
    NetlinkSocket() = default;
    /// In the calling thread's network namespace. `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER.
    static Result<NetlinkSocket> open(int protocol);

    /// Sends all messages in one sendmsg(2) and reads the acknowledgements. The first refusal is returned with the message's
    /// name and the kernel's own explanation; rtnetlink carries out the other messages all the same, an nf_tables batch is
    /// atomic. At least the last message (nf_tables: the last before BATCH_END) must ask for NLM_F_ACK.
    Result<void> transact(NetlinkBatch& batch);
    /// Sends a single message that has NLM_F_DUMP and collects the answers. A dump that the kernel marks as interrupted by a
    /// change is repeated.
    Result<std::vector<NetlinkReply>> dump(const NetlinkBatch& batch);
    /// One request with one answer (RTM_GETLINK by name).
    Result<NetlinkReply> request(NetlinkBatch& batch);

    /// Joins a multicast group for notifications (RTNLGRP_*, NFNLGRP_*).
    Result<void> subscribe(uint32_t group);
    /// What has arrived by now, without waiting. An ENOBUFS error says that notifications were lost.
    Result<std::vector<NetlinkReply>> receive_pending();

    uint32_t port() const { return port_; }  ///< our address, seen as nlmsg_pid in notifications that we caused
    int fd() const { return socket_.get(); }
    explicit operator bool() const { return static_cast<bool>(socket_); }

private:
    Result<void> send(NetlinkBatch& batch);
    Result<size_t> receive(std::string& buffer, int flags);

    Fd socket_;
    uint32_t port_ = 0;
    uint32_t sequence_ = 1;
};

}  // namespace proa::os
