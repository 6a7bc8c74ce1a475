#include "http/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/text.h"

namespace proa::http {

std::string address_text(const sockaddr* address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
        auto& v4 = *reinterpret_cast<const sockaddr_in*>(address);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return concat(static_cast<const char*>(text), ':', ntohs(v4.sin_port));
    }
    if (address->sa_family == AF_INET6) {
        auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return concat('[', static_cast<const char*>(text), "]:", ntohs(v6.sin6_port));
    }
    if (address->sa_family == AF_UNIX) {
        auto& local = *reinterpret_cast<const sockaddr_un*>(address);
        if (local.sun_path[0] != '\0') return std::string(local.sun_path, strnlen(local.sun_path, sizeof local.sun_path));
    }
    return "@";
}

std::string local_address_text(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return "@";
    return address_text(reinterpret_cast<sockaddr*>(&address));
}

std::string remote_address_text(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return "@";
    return address_text(reinterpret_cast<sockaddr*>(&address));
}

}  // namespace proa::http
