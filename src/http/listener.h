#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/tls.h"
#include "os/fd.h"

namespace proa::http {

/// Where to listen, from a `-H` flag: unix:///path, tcp://host:port, fd://, fd://N.
struct ListenAddress {
    enum class Kind { Unix, Tcp, Inherited };
    Kind kind = Kind::Unix;
    std::string path;        ///< Unix
    std::string host;        ///< Tcp: a name or an address, IPv6 without brackets; "" means every address
    uint16_t port = 0;       ///< Tcp
    std::optional<int> fd;   ///< Inherited: one descriptor, or all

    /// Defaults as dockerd: port 2375, or 2376 with `tls`; "tcp://" is localhost; "unix://" is /var/run/docker.sock.
    /// InvalidArgument ("invalid bind address format: x") for anything else.
    static Result<ListenAddress> parse(std::string_view text, bool tls);
};

/// Whether every address that `host` resolves to is a loopback address ("" is not).
bool is_loopback_host(const std::string& host);

/// An open listening socket.
struct Listener {
    os::Fd socket;
    std::string name;  ///< for "API listen on": a path, or address:port
    bool unix_socket = true;
    std::string unlink_path;  ///< removed when the server stops; empty for inherited sockets
    std::shared_ptr<TlsContext> tls;  ///< null: plain
};

/// A unix socket with `mode`, owned by group `group_id` (-1: the process's). A socket file in the way is replaced.
Result<Listener> listen_on_path(const std::string& path, int mode, int64_t group_id);
/// One listener for each address of `host`. Port 0 takes a free one (see Listener::name).
Result<std::vector<Listener>> listen_on_tcp(const std::string& host, uint16_t port, std::shared_ptr<TlsContext> tls);
/// The sockets that systemd opened (LISTEN_PID, LISTEN_FDS); with `only` that one descriptor. Takes them once: the
/// variables are removed from the environment. NotFound when there are none. man: sd_listen_fds(3)
Result<std::vector<Listener>> inherited_listeners(std::optional<int> only, std::shared_ptr<TlsContext> tls);

}  // namespace proa::http
