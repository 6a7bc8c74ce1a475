#include "os/netlink.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/text.h"

namespace proa::os {

namespace {
constexpr size_t kReceiveBytes = 64 * 1024;
constexpr int kAnswerSecondsMax = 5;
constexpr int kInterruptedDumpsMax = 20;

template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// Calls `visit(header, body)` for each message in a received datagram until it returns false.
template <class Visitor>
void for_each_message(std::string_view datagram, Visitor visit) {
    while (datagram.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        memcpy(&header, datagram.data(), sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
        if (!visit(header, datagram.substr(sizeof header, header.nlmsg_len - sizeof header))) return;
        datagram.remove_prefix(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    }
}

/// The kernel's explanation in an extended acknowledgement, or "".
std::string_view extended_text(const nlmsghdr& header, std::string_view body) {
    if (!(header.nlmsg_flags & NLM_F_ACK_TLVS) || body.size() < sizeof(nlmsgerr)) return {};
    nlmsgerr error;
    memcpy(&error, body.data(), sizeof error);
    size_t skip = sizeof error;
    if (!(header.nlmsg_flags & NLM_F_CAPPED)) skip += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    if (skip >= body.size()) return {};
    for (NetlinkAttribute attribute(body.substr(skip)); attribute.good(); attribute.next())
        if (attribute.type() == NLMSGERR_ATTR_MSG) return attribute.text();
    return {};
}

int error_number(std::string_view body) {
    int number = 0;
    if (body.size() >= sizeof number) memcpy(&number, body.data(), sizeof number);
    return -number;
}

Error refusal(std::string_view what, int number, std::string_view explanation) {
    Error error = errno_error(what, {}, number);
    if (explanation.empty()) return error;
    return Error(error.kind(), concat(error.message(), " (", explanation, ')'), number);
}
}  // namespace

void NetlinkBatch::begin(uint16_t type, uint16_t flags, std::string what) {
    nlmsghdr header{};
    header.nlmsg_len = sizeof header;
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
    messages_.push_back({data_.size(), std::move(what)});
    data_.append(bytes_of(header));
}

void NetlinkBatch::acknowledge_last() {
    char* flags = data_.data() + messages_.back().offset + offsetof(nlmsghdr, nlmsg_flags);
    uint16_t value;
    memcpy(&value, flags, sizeof value);
    value |= NLM_F_ACK;
    memcpy(flags, &value, sizeof value);
}

void NetlinkBatch::append(std::string_view bytes) {
    data_.append(bytes);
    data_.append(NLMSG_ALIGN(bytes.size()) - bytes.size(), '\0');
    // The length of the message under construction is kept current, so that there is no end() to forget.
    uint32_t length = static_cast<uint32_t>(data_.size() - messages_.back().offset);
    memcpy(data_.data() + messages_.back().offset, &length, sizeof length);
}

void NetlinkBatch::put(uint16_t attribute, std::string_view bytes) {
    nlattr header{static_cast<uint16_t>(sizeof(nlattr) + bytes.size()), attribute};
    data_.append(bytes_of(header));
    append(bytes);
}

void NetlinkBatch::put_text(uint16_t attribute, std::string_view text) {
    std::string terminated(text);
    terminated.push_back('\0');
    put(attribute, terminated);
}

void NetlinkBatch::put_u8(uint16_t attribute, uint8_t value) { put(attribute, bytes_of(value)); }
void NetlinkBatch::put_u16(uint16_t attribute, uint16_t value) { put(attribute, bytes_of(value)); }
void NetlinkBatch::put_u32(uint16_t attribute, uint32_t value) { put(attribute, bytes_of(value)); }
void NetlinkBatch::put_be16(uint16_t attribute, uint16_t value) { put_u16(attribute, htons(value)); }
void NetlinkBatch::put_be32(uint16_t attribute, uint32_t value) { put_u32(attribute, htonl(value)); }
void NetlinkBatch::put_be64(uint16_t attribute, uint64_t value) {
    uint64_t swapped = __builtin_bswap64(value);
    put(attribute, bytes_of(swapped));
}

size_t NetlinkBatch::open_nest(uint16_t attribute) {
    size_t nest = data_.size();
    put(static_cast<uint16_t>(attribute | NLA_F_NESTED), {});
    return nest;
}

void NetlinkBatch::close_nest(size_t nest) {
    uint16_t length = static_cast<uint16_t>(data_.size() - nest);
    memcpy(data_.data() + nest, &length, sizeof length);
}

void NetlinkAttribute::read() {
    nlattr header;
    good_ = rest_.size() >= sizeof header;
    if (!good_) return;
    memcpy(&header, rest_.data(), sizeof header);
    good_ = header.nla_len >= sizeof header && header.nla_len <= rest_.size();
    if (!good_) return;
    type_ = header.nla_type & NLA_TYPE_MASK;
    value_ = rest_.substr(sizeof header, header.nla_len - sizeof header);
}

void NetlinkAttribute::next() {
    rest_.remove_prefix(std::min<size_t>(NLA_ALIGN(value_.size() + sizeof(nlattr)), rest_.size()));
    read();
}

std::string_view NetlinkAttribute::text() const { return value_.substr(0, value_.find('\0')); }

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    NetlinkSocket netlink;
    netlink.socket_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!netlink.socket_) return fail_errno("socket AF_NETLINK");
    int fd = netlink.socket_.get(), on = 1;
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return fail_errno("bind", "netlink socket");
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return fail_errno("getsockname");
    netlink.port_ = address.nl_pid;
    // Explanations with errors, without our own request sent back; both optional (Linux 4.12).
    ::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    timeval patience{kAnswerSecondsMax, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return netlink;
}

Result<void> NetlinkSocket::send(NetlinkBatch& batch) {
    for (auto& message : batch.messages_) {
        uint32_t sequence = sequence_++;
        memcpy(batch.data_.data() + message.offset + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    }
    int room = static_cast<int>(batch.data_.size()) * 2 + 65536;
    if (batch.data_.size() > 64 * 1024) ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    ssize_t put;
    do put = ::send(fd(), batch.data_.data(), batch.data_.size(), MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put < 0) return fail_errno("netlink send", batch.messages_.front().what);
    return {};
}

Result<size_t> NetlinkSocket::receive(std::string& buffer, int flags) {
    buffer.resize(kReceiveBytes);
    ssize_t got;
    do got = ::recv(fd(), buffer.data(), buffer.size(), flags);
    while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno("netlink receive");
    buffer.resize(static_cast<size_t>(got));
    return static_cast<size_t>(got);
}

Result<void> NetlinkSocket::transact(NetlinkBatch& batch) {
    if (batch.empty()) return {};
    uint32_t first = sequence_;
    size_t expected = 0, answered = 0;
    for (auto& message : batch.messages_) {
        nlmsghdr header;
        memcpy(&header, batch.data_.data() + message.offset, sizeof header);
        if (header.nlmsg_flags & NLM_F_ACK) expected++;
    }
    TRY(send(batch));
    // The kernel handles our messages within send(2), so all answers are there by now.
    std::optional<Error> failure;
    std::string buffer;
    for (;;) {
        auto got = receive(buffer, MSG_DONTWAIT);
        if (!got && (got.error().number() == EAGAIN || got.error().number() == EWOULDBLOCK)) break;
        if (!got) return fail(std::move(got).error());
        for_each_message(buffer, [&](const nlmsghdr& header, std::string_view body) {
            if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq - first >= batch.size()) return true;
            answered++;
            int number = error_number(body);
            if (number != 0 && !failure)
                failure = refusal(batch.messages_[header.nlmsg_seq - first].what, number, extended_text(header, body));
            return true;
        });
    }
    if (failure) return fail(std::move(*failure));
    if (answered < expected)
        return fail(ErrorKind::Internal, concat("netlink: no answer to ", batch.messages_.back().what));
    return {};
}

Result<std::vector<NetlinkReply>> NetlinkSocket::dump(const NetlinkBatch& batch) {
    for (int attempt = 0;; attempt++) {
        NetlinkBatch request = batch;
        uint32_t sequence = sequence_;
        TRY(send(request));
        std::vector<NetlinkReply> replies;
        std::optional<Error> failure;
        std::string buffer;
        bool done = false, interrupted = false;
        while (!done) {
            TRY_WRAP(batch.messages_.front().what, receive(buffer, 0));
            for_each_message(buffer, [&](const nlmsghdr& header, std::string_view body) {
                if (header.nlmsg_seq != sequence) return true;
                if (header.nlmsg_flags & NLM_F_DUMP_INTR) interrupted = true;
                if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
                    int number = error_number(body);
                    if (number != 0) failure = refusal(batch.messages_.front().what, number, extended_text(header, body));
                    done = true;
                    return false;
                }
                replies.push_back({header.nlmsg_type, header.nlmsg_pid, std::string(body)});
                return true;
            });
        }
        if (failure && failure->number() == EINTR) interrupted = true;
        if (interrupted && attempt < kInterruptedDumpsMax) continue;
        if (failure) return fail(std::move(*failure));
        return replies;
    }
}

Result<NetlinkReply> NetlinkSocket::request(NetlinkBatch& batch) {
    uint32_t sequence = sequence_;
    TRY(send(batch));
    std::string buffer;
    std::optional<Result<NetlinkReply>> answer;
    while (!answer) {
        TRY_WRAP(batch.messages_.front().what, receive(buffer, 0));
        for_each_message(buffer, [&](const nlmsghdr& header, std::string_view body) {
            if (header.nlmsg_seq != sequence) return true;
            if (header.nlmsg_type == NLMSG_ERROR)
                answer = fail(refusal(batch.messages_.front().what, error_number(body), extended_text(header, body)));
            else
                answer = NetlinkReply{header.nlmsg_type, header.nlmsg_pid, std::string(body)};
            return false;
        });
    }
    return std::move(*answer);
}

Result<void> NetlinkSocket::subscribe(uint32_t group) {
    if (::setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return fail_errno("NETLINK_ADD_MEMBERSHIP");
    return {};
}

Result<std::vector<NetlinkReply>> NetlinkSocket::receive_pending() {
    std::vector<NetlinkReply> replies;
    std::string buffer;
    for (;;) {
        auto got = receive(buffer, MSG_DONTWAIT);
        if (!got && (got.error().number() == EAGAIN || got.error().number() == EWOULDBLOCK)) return replies;
        if (!got) return fail(std::move(got).error());
        for_each_message(buffer, [&](const nlmsghdr& header, std::string_view body) {
            replies.push_back({header.nlmsg_type, header.nlmsg_pid, std::string(body)});
            return true;
        });
    }
}

}  // namespace proa::os
