#include "resolver/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/time.h"

namespace proa::resolver {

namespace {
constexpr size_t kForwardsMax = 1024;     // as Docker's
constexpr size_t kStreamsMax = 256;
constexpr int kQueriesPerTurn = 64;       // of one container, before others have theirs
constexpr int64_t kStreamSeconds = 10;
}  // namespace

/// An engine's connection.
class Server::Control final : os::EpollHandler {
public:
    Control(Server& server, os::Fd socket) : server_(server), socket_(std::move(socket)), interest_(*server.epoll_, *this) {
        if (!interest_.want(socket_.get(), EPOLLIN)) ended = true;
    }
    bool ended = false;

private:
    void on_ready(uint32_t) override {
        auto message = os::receive_message(socket_.get(), kControlBytesMax);
        if (!message && (message.error().number() == EAGAIN || message.error().is(ErrorKind::InvalidArgument))) return;
        if (!message || message->data.empty()) {
            ended = true;
            return interest_.leave();
        }
        auto request = unpack<Request>(message->data);
        Reply reply = request ? server_.obey(*request, std::move(message->fds))
                              : Reply{static_cast<uint8_t>(request.error().kind()), request.error().message(), {}};
        if (!os::send_message(socket_.get(), pack(reply))) ended = true;
    }

    Server& server_;
    os::Fd socket_;
    os::EpollInterest interest_;
};

/// A container's sockets at 127.0.0.11.
class Server::Client {
public:
    Client(Server& server, std::string id, std::vector<os::Fd> fds)
        : server_(server), id_(std::move(id)), udp_(std::move(fds[0])), tcp_(std::move(fds[1])), space_(std::move(fds[2])), process_(std::move(fds[3])),
          udp_interest_(*server.epoll_, udp_handler_), tcp_interest_(*server.epoll_, tcp_handler_), process_interest_(*server.epoll_, process_handler_) {}

    Result<void> begin() {
        TRY(udp_interest_.want(udp_.get(), EPOLLIN));
        TRY(tcp_interest_.want(tcp_.get(), EPOLLIN));
        return process_interest_.want(process_.get(), EPOLLIN);
    }
    int space() const { return space_.get(); }
    int udp() const { return udp_.get(); }
    bool ended = false;

private:
    void on_udp(uint32_t) {
        char buffer[kMessageBytesMax];
        for (int i = 0; i < kQueriesPerTurn; i++) {
            Asker asker{.container_id = id_};
            asker.from_size = sizeof asker.from;
            ssize_t got = ::recvfrom(udp_.get(), buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&asker.from), &asker.from_size);
            if (got < 0) return;
            server_.on_query(asker, {buffer, static_cast<size_t>(got)});
        }
    }
    void on_tcp(uint32_t);
    void on_process(uint32_t) {
        ended = true;
        udp_interest_.leave();
        tcp_interest_.leave();
        process_interest_.leave();
    }

    Server& server_;
    std::string id_;
    os::Fd udp_, tcp_, space_, process_;
    os::EpollMember<Client, &Client::on_udp> udp_handler_{this};
    os::EpollMember<Client, &Client::on_tcp> tcp_handler_{this};
    os::EpollMember<Client, &Client::on_process> process_handler_{this};
    os::EpollInterest udp_interest_, tcp_interest_, process_interest_;
};

/// One TCP connection of a container.
class Server::Stream final : os::EpollHandler {
public:
    Stream(Server& server, uint64_t number, std::string container_id, os::Fd socket)
        : server_(server), number_(number), container_id_(std::move(container_id)), socket_(std::move(socket)), interest_(*server.epoll_, *this) {
        touch();
        update();
    }
    void send(const std::string& message) {
        out_.push_back(static_cast<char>(message.size() >> 8));
        out_.push_back(static_cast<char>(message.size()));
        out_ += message;
        write();
    }
    const std::string& container_id() const { return container_id_; }
    int64_t deadline() const { return deadline_; }
    bool ended = false;

private:
    void touch() { deadline_ = monotonic_nanoseconds() + kStreamSeconds * 1'000'000'000; }
    void end() {
        ended = true;
        interest_.leave();
    }
    void update() {
        uint32_t wanted = EPOLLIN;
        if (!out_.empty()) wanted |= EPOLLOUT;
        if (!ended && !interest_.want(socket_.get(), wanted)) end();
    }
    void write() {
        ssize_t put = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN && errno != EINTR) return end();
        if (put > 0) out_.erase(0, static_cast<size_t>(put));
        update();
    }
    void on_ready(uint32_t events) override {
        if (events & EPOLLOUT) write();
        if (ended || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
        char buffer[4096];
        ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return end();
        touch();
        in_.append(buffer, static_cast<size_t>(got));
        while (!ended && in_.size() >= 2) {
            size_t size = static_cast<size_t>(static_cast<uint8_t>(in_[0])) << 8 | static_cast<uint8_t>(in_[1]);
            if (in_.size() < 2 + size) return;
            std::string message = in_.substr(2, size);
            in_.erase(0, 2 + size);
            server_.on_query(Asker{.container_id = container_id_, .tcp = true, .stream = number_}, message);
        }
    }

    Server& server_;
    uint64_t number_;
    std::string container_id_;
    os::Fd socket_;
    os::EpollInterest interest_;
    std::string in_, out_;
    int64_t deadline_ = 0;
};

void Server::Client::on_tcp(uint32_t) {
    auto socket = os::accept_connection(tcp_.get(), true);
    if (!socket || server_.streams_.size() >= kStreamsMax) return;
    uint64_t number = server_.next_stream_++;
    server_.streams_[number] = std::make_unique<Stream>(server_, number, id_, std::move(*socket));
}

Server::Server(Options options) : options_(std::move(options)), host_servers_(options_.host_resolv_conf) {}
Server::~Server() = default;

Result<void> Server::run() {
    epoll_.emplace(TRY(os::Epoll::create()));
    listener_ = TRY(os::listen_unix(options_.socket_path, os::SocketType::SeqPacket, 0600, 16));
    TRY(os::set_nonblocking(listener_.get(), true));
    TRY(epoll_->add(listener_.get(), EPOLLIN, listener_handler_));
    if (options_.control_descriptor >= 0) {
        TRY(os::set_close_on_exec(options_.control_descriptor, true));
        controls_.push_back(std::make_unique<Control>(*this, os::Fd(options_.control_descriptor)));
    }
    while (!controls_.empty() || !clients_.empty()) {
        TRY(epoll_->dispatch(timeout_ms()));
        settle_forwards();
        sweep();
    }
    return {};
}

void Server::on_listener(uint32_t) {
    if (auto socket = os::accept_connection(listener_.get(), true)) controls_.push_back(std::make_unique<Control>(*this, std::move(*socket)));
}

Reply Server::obey(const Request& request, std::vector<os::Fd> fds) {
    Reply reply;
    auto done = [&]() -> Result<void> {
        if (request.version != kProtocolVersion)
            return fail(ErrorKind::Unsupported, concat("the engine speaks version ", request.version, ", this resolver ", kProtocolVersion));
        if (request.type == RequestType::Put) return put(request.container, std::move(fds));
        if (request.type == RequestType::Remove) forget(request.container.id);
        else reply.ids = names_.ids();
        return {};
    }();
    if (!done) {
        reply.error_kind = static_cast<uint8_t>(done.error().kind());
        reply.error_message = done.error().message();
    }
    return reply;
}

Result<void> Server::put(const Container& container, std::vector<os::Fd> fds) {
    if (fds.empty() && !clients_.contains(container.id)) return fail(ErrorKind::NotFound, concat("no container ", container.id));
    if (!fds.empty()) {
        if (fds.size() != 4) return fail(ErrorKind::InvalidArgument, "a new container takes four descriptors");
        for (size_t i = 0; i < 2; i++) TRY(os::set_nonblocking(fds[i].get(), true));
        forget(container.id);
        auto client = std::make_unique<Client>(*this, container.id, std::move(fds));
        TRY(client->begin());
        clients_[container.id] = std::move(client);
    }
    names_.put(container);
    return {};
}

void Server::forget(const std::string& id) {
    names_.remove(id);
    std::erase_if(pending_, [&](auto& pending) { return pending.asker.container_id == id; });
    std::erase_if(streams_, [&](auto& stream) { return stream.second->container_id() == id; });
    clients_.erase(id);
}

void Server::on_query(const Asker& asker, std::string_view message) {
    const Container* container = names_.find(asker.container_id);
    auto query = parse_query(message);
    if (!container || !query) return;
    if (!query->supported) return deliver(asker, build_response(*query, Rcode::NotImplemented, {}, kUdpBytesMin));
    const size_t limit = asker.tcp ? kMessageBytesMax : query->udp_bytes();
    if (auto answer = answer_locally(*container, *query, limit)) return deliver(asker, *answer);
    ask_others(asker, *container, std::move(*query), message);
}

std::optional<std::string> Server::answer_locally(const Container& container, const Query& query, size_t limit) {
    if (query.question_class != kClassIn) return std::nullopt;
    if (query.type == kTypePtr) {
        auto address = parse_reverse_name(query.name);
        auto name = address ? names_.name_of(container, *address) : std::nullopt;
        if (!name) return std::nullopt;
        return build_response(query, Rcode::NoError, {pointer_answer(*name)}, limit);
    }
    auto found = names_.addresses_of(container, query.name, query.type == kTypeAaaa);
    if (!found.exists) return std::nullopt;
    std::vector<Answer> answers;
    // A name of ours has addresses and nothing else.
    if (query.type == kTypeA || query.type == kTypeAaaa || query.type == kTypeAny)
        for (auto& address : found.addresses) answers.push_back(address_answer(address));
    if (answers.size() > 1) std::rotate(answers.begin(), answers.begin() + turn_++ % static_cast<uint32_t>(answers.size()), answers.end());
    return build_response(query, Rcode::NoError, answers, limit);
}

void Server::ask_others(const Asker& asker, const Container& container, Query query, std::string_view message) {
    const bool single_label = query.name.find('.') == std::string::npos;
    if (container.fails_single_labels && single_label && (query.type == kTypeA || query.type == kTypeAaaa))
        return deliver(asker, build_response(query, Rcode::NoError, {}, kUdpBytesMin));
    auto client = clients_.find(container.id);
    if (!container.forwards || pending_.size() >= kForwardsMax || client == clients_.end())
        return deliver(asker, build_response(query, Rcode::ServerFailure, {}, kUdpBytesMin));
    Forward::Options options{.query = std::string(message), .tcp = asker.tcp};
    for (auto& text : container.servers)
        if (auto server = os::IpAddress::parse(text)) options.servers.push_back(*server);
    const int64_t now = monotonic_nanoseconds();
    if (container.servers.empty()) options.servers = host_servers_.get(now);
    else options.network_namespace = client->second->space();
    Pending pending{.asker = asker, .query = std::move(query), .question = "", .forward = std::make_unique<Forward>(*epoll_, std::move(options))};
    pending.question = std::string(pending.query.question);
    pending.forward->begin(now);
    pending_.push_back(std::move(pending));
}

void Server::deliver(const Asker& asker, const std::string& response) {
    if (asker.tcp) {
        auto stream = streams_.find(asker.stream);
        if (stream != streams_.end() && !stream->second->ended) stream->second->send(response);
        return;
    }
    auto client = clients_.find(asker.container_id);
    if (client == clients_.end()) return;
    (void)::sendto(client->second->udp(), response.data(), response.size(), MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&asker.from), asker.from_size);
}

void Server::settle_forwards() {
    const int64_t now = monotonic_nanoseconds();
    for (size_t i = 0; i < pending_.size();) {
        auto& pending = pending_[i];
        pending.forward->on_time(now);
        auto result = pending.forward->take_result();
        if (!result) {
            i++;
            continue;
        }
        pending.query.question = pending.question;
        deliver(pending.asker, result->empty() ? build_response(pending.query, Rcode::ServerFailure, {}, kUdpBytesMin) : *result);
        pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(i));
    }
}

int Server::timeout_ms() const {
    int64_t first = INT64_MAX;
    for (auto& pending : pending_) first = std::min(first, pending.forward->is_settled() ? 0 : pending.forward->next_deadline());
    for (auto& [number, stream] : streams_) first = std::min(first, stream->deadline());
    if (first == INT64_MAX) return -1;
    return static_cast<int>(std::clamp<int64_t>((first - monotonic_nanoseconds()) / 1'000'000 + 1, 0, 60'000));
}

/// What ended goes here, and not while its own handler runs.
void Server::sweep() {
    std::erase_if(controls_, [](auto& control) { return control->ended; });
    const int64_t now = monotonic_nanoseconds();
    std::erase_if(streams_, [&](auto& stream) { return stream.second->ended || stream.second->deadline() <= now; });
    std::vector<std::string> gone;
    for (auto& [id, client] : clients_)
        if (client->ended) gone.push_back(id);
    for (auto& id : gone) forget(id);
}

}  // namespace proa::resolver
