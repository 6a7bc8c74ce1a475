#include <netinet/in.h>
#include <sys/socket.h>
// glibc's addresses must be known before the kernel's headers.
#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "base/log.h"
#include "base/text.h"
#include "network/namespace.h"
#include "network/nft.h"

namespace proa::network {

namespace {
constexpr const char* kTable = "proa-resolver";
constexpr uint16_t kDnsPort = 53;
constexpr int32_t kPriorityDnat = -100;  // nft(8), "standard priority names"
constexpr int kWaitingBytes = 2 << 20;   // some thousand queries, as the kernel counts them
constexpr std::string_view kServer{"\x7f\0\0\x0b", 4};  // 127.0.0.11

Result<os::Fd> bind_server(int type, uint16_t port) {
    os::Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno("socket", "resolver");
    // Queries that arrive while the resolver does not get the processor must wait, not get lost. Costs memory only then.
    const int waiting = kWaitingBytes;
    if (type == SOCK_DGRAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &waiting, sizeof waiting);
    sockaddr_storage address;
    socklen_t size = os::IpAddress::from_bytes(kServer).to_socket_address(port, address);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) < 0 || (type == SOCK_STREAM && ::listen(socket.get(), 64) < 0))
        return fail_errno("bind", concat("127.0.0.11:", port));
    return socket;
}

Result<uint16_t> port_of(int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return fail_errno("getsockname");
    return ntohs(address.sin_port);
}

Result<void> lead_to(uint16_t port) {
    auto netlink = TRY(os::NetlinkSocket::open(NETLINK_NETFILTER));
    NftTransaction change(kTable);
    change.add_table();  // so that there is one to delete: the sockets before ours led elsewhere
    change.delete_table();
    change.add_table();
    change.add_base_chain("proa-output", "nat", NF_INET_LOCAL_OUT, kPriorityDnat);
    for (uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP})
        change.add_rule("proa-output", [&](NftRule& r) {
            const char number = static_cast<char>(protocol);
            const char wanted[2] = {0, kDnsPort}, target[4] = {static_cast<char>(port >> 8), static_cast<char>(port), 0, 0};
            r.ipv4().ipv4_destination().equals(kServer).protocol().equals({&number, 1}).destination_port().equals({wanted, 2});
            r.load(kServer, kNftData).load({target, 2}, kNftData + 1).dnat(false);
        });
    return change.commit(netlink);
}
}  // namespace

Result<ResolverSockets> open_resolver_sockets() {
    ResolverSockets sockets;
    sockets.udp = TRY(bind_server(SOCK_DGRAM, 0));
    uint16_t port = TRY(port_of(sockets.udp.get()));
    auto tcp = bind_server(SOCK_STREAM, port);
    auto led = tcp ? lead_to(port) : Result<void>(fail(tcp.error()));
    if (led) {
        sockets.tcp = std::move(*tcp);
        return sockets;
    }
    log::debug(concat("the resolver listens on port 53 itself: ", led.error().message()));
    sockets.udp = TRY(bind_server(SOCK_DGRAM, kDnsPort));
    sockets.tcp = TRY(bind_server(SOCK_STREAM, kDnsPort));
    return sockets;
}

}  // namespace proa::network
