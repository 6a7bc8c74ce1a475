#pragma once
#include <sys/socket.h>

#include <string>

namespace proa::http {

/// "192.0.2.1:80", "[::1]:80", a unix path, or "@" for an unnamed unix socket.
std::string address_text(const sockaddr* address);
std::string local_address_text(int socket);
std::string remote_address_text(int socket);

}  // namespace proa::http
