#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/epoll.h"
#include "os/fd.h"
#include "os/ip_address.h"

namespace proa::resolver {

/// One query on its way to other name servers: the first at once, each further one when those before it refused or stayed silent.
/// Every query has a socket, a port and an id of its own, so that answers are hard to forge.
class Forward {
public:
    struct Options {
        std::string query;                   ///< as the client sent it
        std::vector<os::IpAddress> servers;
        int network_namespace = -1;          ///< whose network asks; -1: our own. Borrowed until begin() returns and while servers are left
        bool tcp = false;
    };
    Forward(os::Epoll& epoll, Options options);
    ~Forward();
    void begin(int64_t now);
    /// What became of it, with the client's own id; "" when no server answered.
    std::optional<std::string> take_result();
    int64_t next_deadline() const { return std::min(patience_, deadline_); }  ///< monotonic nanoseconds
    void on_time(int64_t now);
    bool is_settled() const { return settled_; }

private:
    class Attempt;
    void try_next(int64_t now);
    void on_answer(std::string response);
    void on_failure();
    void settle(std::string result);

    os::Epoll& epoll_;
    Options options_;
    std::string sent_;                            ///< the query under our id
    std::vector<std::unique_ptr<Attempt>> attempts_;
    size_t next_server_ = 0, failed_ = 0;
    int64_t patience_ = 0, deadline_ = 0;
    std::string refusal_, result_;
    bool settled_ = false;
};

/// The `nameserver` lines of a resolv.conf, read again when the file has changed.
class HostServers {
public:
    explicit HostServers(std::string path) : path_(std::move(path)) {}
    const std::vector<os::IpAddress>& get(int64_t now);

private:
    std::string path_;
    std::vector<os::IpAddress> servers_;
    int64_t looked_ = 0, modified_ = -1, inode_ = -1;
};

}  // namespace proa::resolver
