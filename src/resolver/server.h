#pragma once
#include <netinet/in.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/epoll.h"
#include "os/socket.h"
#include "resolver/forward.h"
#include "resolver/message.h"
#include "resolver/names.h"

namespace proa::resolver {

/// The resolver's loop: answers the containers' queries and obeys the engine. Single-threaded.
class Server {
public:
    struct Options {
        std::string socket_path;             ///< where engines connect; made here
        int control_descriptor = -1;         ///< the first engine's connection, or -1
        std::string host_resolv_conf = "/etc/resolv.conf";
    };
    explicit Server(Options options);
    ~Server();
    /// Serves until there is neither an engine nor a container.
    Result<void> run();

private:
    class Control;
    class Client;
    class Stream;
    /// Who waits for an answer.
    struct Asker {
        std::string container_id;
        bool tcp = false;
        sockaddr_storage from{};
        socklen_t from_size = 0;
        uint64_t stream = 0;
    };
    struct Pending {
        Asker asker;
        Query query;
        std::string question;  ///< what Query::question points into
        std::unique_ptr<Forward> forward;
    };

    void on_listener(uint32_t events);
    Reply obey(const Request& request, std::vector<os::Fd> fds);
    Result<void> put(const Container& container, std::vector<os::Fd> fds);
    void forget(const std::string& id);

    /// Answers at once or begins to ask others.
    void on_query(const Asker& asker, std::string_view message);
    std::optional<std::string> answer_locally(const Container& container, const Query& query, size_t limit);
    void ask_others(const Asker& asker, const Container& container, Query query, std::string_view message);
    void deliver(const Asker& asker, const std::string& response);
    void settle_forwards();
    int timeout_ms() const;
    void sweep();

    Options options_;
    std::optional<os::Epoll> epoll_;
    os::Fd listener_;
    os::EpollMember<Server, &Server::on_listener> listener_handler_{this};
    Names names_;
    HostServers host_servers_;
    std::vector<std::unique_ptr<Control>> controls_;
    std::map<std::string, std::unique_ptr<Client>> clients_;
    std::map<uint64_t, std::unique_ptr<Stream>> streams_;
    std::vector<Pending> pending_;
    uint64_t next_stream_ = 1;
    uint32_t turn_ = 0;  ///< rotates lists of addresses
};

}  // namespace proa::resolver
