#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "shim/records.h"
#include "shim/shim.h"

namespace proa::shim {

namespace {
constexpr size_t kPlanBytesMax = 16 << 20;

/// `Message` of a request whose body may be left empty.
template <class Message>
Result<Message> unpack_optional(const std::string& body) {
    if (body.empty()) return Message{};
    return unpack<Message>(body);
}

template <class Plan>
Result<Plan> read_plan(const std::vector<os::Fd>& fds) {
    if (fds.empty()) return fail(ErrorKind::InvalidArgument, "the plan's descriptor is missing");
    if (::lseek(fds[0].get(), 0, SEEK_SET) < 0) return fail_errno("lseek", "plan");
    Plan plan = TRY(unpack<Plan>(TRY(os::read_to_end(fds[0].get(), kPlanBytesMax))));
    if (plan.version != runtime::kPlanVersion)
        return fail(ErrorKind::Unsupported, concat("the plan has version ", plan.version, ", this shim knows ", runtime::kPlanVersion));
    return plan;
}

bool makes_own_pids(const runtime::Plan& plan) {
    for (auto& space : plan.namespaces)
        if (space.type == runtime::NamespaceType::Pid) return space.path.empty() && space.descriptor < 0;
    return false;
}
}  // namespace

void Shim::handle(EngineConnection& connection, const Request& request, std::vector<os::Fd> fds) {
    if (request.type == MessageType::Release) {
        auto message = unpack_optional<Release>(request.body);
        auto reply = message ? release(connection, request.sequence, *message) : error_reply(message.error());
        if (reply) connection.reply(request.sequence, *reply);
        return;
    }
    auto reply = answer(connection, request, fds);
    connection.reply(request.sequence, reply ? *reply : error_reply(reply.error()));
    if (request.type == MessageType::Subscribe) subscribe(connection);
    if (request.type == MessageType::Launch && reply && group_) watch_memory();  // after the answer: nobody waits for it
    settle_due_ = true;
}

Result<Reply> Shim::answer(EngineConnection& connection, const Request& request, std::vector<os::Fd>& fds) {
    switch (request.type) {
        case MessageType::Launch: {
            if (container_) return fail(ErrorKind::Conflict, "the container was launched already");
            // The next engine may have started the container with another shim by now.
            if (connection.peer_gone()) return fail(ErrorKind::Cancelled, "the engine that wanted the launch is gone");
            auto reply = launch(TRY(unpack<Launch>(request.body)), fds);
            if (!reply) give_up_launch();
            return reply;
        }
        case MessageType::Attach: return attach(TRY(unpack<Attach>(request.body)), fds);
        case MessageType::Exec: return execute(TRY(unpack<Exec>(request.body)), fds);
        case MessageType::Resize: {
            auto message = TRY(unpack<Resize>(request.body));
            TRY(TRY(find(message.exec_id))->task.resize({message.height, message.width}));
            return good_reply();
        }
        case MessageType::Signal: {
            auto message = TRY(unpack<Signal>(request.body));
            TRY(TRY(find(message.exec_id))->task.signal(message.signal));
            return good_reply();
        }
        case MessageType::CloseStdin:
            TRY(TRY(find(TRY(unpack_optional<CloseStdin>(request.body)).exec_id))->task.close_stdin());
            return good_reply();
        case MessageType::ChangePorts: return change_ports(TRY(unpack<ChangePorts>(request.body)), fds);
        case MessageType::Query: return query(TRY(unpack_optional<Query>(request.body)));
        case MessageType::Subscribe:
            connection.subscribed = true;
            return good_reply(container_ ? container_->task.pid() : 0);
        default: return fail(ErrorKind::InvalidArgument, "unknown message");
    }
}

Result<Shim::Process*> Shim::find(const std::string& exec_id) {
    if (exec_id.empty()) {
        if (!container_) return fail(ErrorKind::Conflict, "the container is not started");
        return container_.get();
    }
    for (auto& exec : execs_)
        if (exec->task.exec_id() == exec_id) return exec.get();
    return fail(ErrorKind::NotFound, concat("no running exec ", exec_id));
}

Result<Reply> Shim::launch(const Launch& message, std::vector<os::Fd>& fds) {
    if (message.version != kProtocolVersion)
        return fail(ErrorKind::Unsupported, concat("the engine speaks version ", message.version, ", this shim ", kProtocolVersion));
    auto plan = TRY(read_plan<runtime::Plan>(fds));
    if (1 + message.plan_descriptors + message.held > fds.size())
        return fail(ErrorKind::InvalidArgument, "descriptors are missing in the launch message");
    state_directory_ = message.state_directory;
    shares_pids_ = !makes_own_pids(plan);
    if (!plan.process.oom_score_adj) plan.process.oom_score_adj = options_.oom_score;
    if (options_.show_id) options_.show_id(message.container_id);

    listener_ = TRY(os::listen_unix(socket_path(state_directory_), os::SocketType::SeqPacket, 0600, 16));
    socket_inode_ = TRY(os::link_status(socket_path(state_directory_))).st_ino;
    TRY(os::set_nonblocking(listener_.get(), true));
    log_ = TRY(LogWriter::open(message.log));
    TaskSettings settings{"", message.terminal, message.open_stdin, message.stdin_once, true};
    container_ = std::make_unique<Process>(*epoll_, *this, settings, log_.get());
    for (auto& early : early_attaches_) TRY(container_->task.attach(early.settings, std::move(early.stream)));
    early_attaches_.clear();

    auto init = TRY(start_container(message, plan, fds));
    pid_t pid = init.pid;
    container_->task.started(std::move(init));
    if (!plan.cgroup_path.empty()) group_ = TRY(cgroup::Group::at(plan.cgroup_path));
    auto finished = after_start(message, fds);
    if (!finished) {
        (void)container_->task.signal(SIGKILL);
        (void)os::wait_for_exit(pid);
        return fail(std::move(finished).error());
    }
    return good_reply(pid);
}

Result<runtime::Init> Shim::start_container(const Launch& message, runtime::Plan& plan, std::vector<os::Fd>& fds) {
    auto streams = TRY(container_->task.open_streams());
    std::vector<int> descriptors;
    for (uint32_t i = 0; i < message.plan_descriptors; i++) descriptors.push_back(fds[1 + i].get());
    streams.descriptors = descriptors;
    if (!message.foreign_runtime.empty()) {
        parked_.reset();
        foreign_.emplace(ForeignRuntime::Settings{message.foreign_runtime, message.foreign_runtime_args, message.container_id,
                                                  message.bundle_directory, message.state_directory, message.rootfs_mount});
        TRY(foreign_->mount_root(plan.root));
        TRY(foreign_->mount_sources(plan.mounts, descriptors));
        return foreign_->launch(streams, message.terminal);
    }
    if (!parked_) return runtime::launch(plan, streams);
    auto init = parked_->launch(plan, streams);
    parked_.reset();
    return init;
}

/// The init runs; from here on a failure ends it.
Result<void> Shim::after_start(const Launch& message, std::vector<os::Fd>& fds) {
    RunningRecord record;
    record.container_id = message.container_id;
    record.boot_id = TRY(boot_id());
    record.shim_pid = ::getpid();
    record.init_pid = container_->task.pid();
    record.shim_start_time = TRY(os::process_start_time(record.shim_pid));
    record.init_start_time = TRY(os::process_start_time(record.init_pid));
    record.started_unix_nano = now().unix_nano();
    TRY(write_running_record(state_directory_, record));
    TRY(epoll_->add(listener_.get(), EPOLLIN, listener_handler_));
    for (auto& proxy : message.proxies) TRY(add_proxy(proxy, fds));
    for (uint32_t i = 0; i < message.held; i++) held_.push_back(std::move(fds[1 + message.plan_descriptors + i]));
    return {};
}

Result<void> Shim::add_proxy(const PortProxy& proxy, std::vector<os::Fd>& fds) {
    if (proxy.descriptor < 0 || static_cast<size_t>(proxy.descriptor) >= fds.size())
        return fail(ErrorKind::InvalidArgument, "a port proxy names a descriptor that is not there");
    proxies_.push_back(TRY(PortForwarder::start(*epoll_, std::move(fds[static_cast<size_t>(proxy.descriptor)]), proxy.target_address, proxy.target_port)));
    return {};
}

Result<Reply> Shim::change_ports(const ChangePorts& message, std::vector<os::Fd>& fds) {
    if (!container_ || !container_->task.running()) return fail(ErrorKind::Conflict, "the container is not running");
    if (message.held > fds.size()) return fail(ErrorKind::InvalidArgument, "descriptors are missing in the message of ports");
    auto is_closed = [&](int socket) { return std::find(message.closed.begin(), message.closed.end(), os::bound_to(socket)) != message.closed.end(); };
    std::erase_if(held_, [&](auto& socket) { return is_closed(socket.get()); });
    std::erase_if(proxies_, [&](auto& proxy) { return is_closed(proxy->listener()) && proxy->close_listener(); });
    for (auto& proxy : message.proxies) TRY(add_proxy(proxy, fds));
    for (uint32_t i = 0; i < message.held; i++) held_.push_back(std::move(fds[i]));
    return good_reply();
}

void Shim::watch_memory() {
    auto watch = cgroup::OomWatch::start(*group_);
    if (!watch || !epoll_->add(watch->fd(), EPOLLIN, memory_handler_)) return;  // no memory controller: nothing to watch
    memory_watch_ = std::move(*watch);
}

/// Leaves nothing of a failed launch behind; the clients' connections stay open for the engine's own words.
void Shim::give_up_launch() {
    launch_failed_ = true;
    if (container_) container_->task.abandon_clients();
    early_attaches_.clear();
    close_listener();
}

/// The name may belong to another shim by now, which runs the container anew.
void Shim::close_listener() {
    if (!listener_) return;
    auto named = os::link_status(socket_path(state_directory_));
    if (named && named->st_ino == socket_inode_) (void)os::remove_file(socket_path(state_directory_));
    listener_.reset();
}

Result<Reply> Shim::attach(const Attach& message, std::vector<os::Fd>& fds) {
    if (fds.size() != 1) return fail(ErrorKind::InvalidArgument, "attach takes one descriptor");
    if (!container_ && message.exec_id.empty()) {
        early_attaches_.push_back({message, std::move(fds[0])});
        return good_reply();
    }
    TRY(TRY(find(message.exec_id))->task.attach(message, std::move(fds[0])));
    return good_reply();
}

Result<Reply> Shim::execute(const Exec& message, std::vector<os::Fd>& fds) {
    if (!container_ || !container_->task.running()) return fail(ErrorKind::Conflict, "the container is not running");
    if (message.exec_id.empty()) return fail(ErrorKind::InvalidArgument, "an exec needs an id");
    if (find(message.exec_id)) return fail(ErrorKind::Conflict, concat("exec ", message.exec_id, " is running already"));
    if (message.attach && fds.size() < 2) return fail(ErrorKind::InvalidArgument, "the exec's stream is missing");
    if (foreign_ && message.process_file.empty())
        return fail(ErrorKind::InvalidArgument, "an exec by a foreign runtime needs its process file");
    auto plan = TRY(read_plan<runtime::ExecPlan>(fds));
    if (!plan.process.oom_score_adj) plan.process.oom_score_adj = options_.oom_score;

    TaskSettings settings{message.exec_id, message.terminal, message.open_stdin, true, message.attach.has_value()};
    auto exec = std::make_unique<Process>(*epoll_, *this, settings, nullptr);
    auto streams = TRY(exec->task.open_streams());
    if (message.attach) TRY(exec->task.attach(*message.attach, std::move(fds[1])));
    auto init = foreign_ ? foreign_->execute(message.process_file, streams, message.terminal) : runtime::execute(plan, streams);
    if (!init) {
        exec->task.abandon_clients();
        return fail(std::move(init).error());
    }
    pid_t pid = init->pid;
    exec->task.started(std::move(*init));
    execs_.push_back(std::move(exec));
    return good_reply(pid);
}

Result<Reply> Shim::query(const Query& message) {
    Reply reply;
    if (!container_ && message.exec_id.empty()) return reply;
    Process* process = TRY(find(message.exec_id));
    reply.pid = process->task.pid();
    reply.running = process->task.running();
    return reply;
}

void Shim::subscribe(EngineConnection& connection) {
    for (const Event& event : untold_) connection.send_event(event);
    untold_.clear();
    if (container_ && container_->phase >= Phase::Holding) connection.send_event(exit_event());
}

/// Nothing when the reply comes later.
std::optional<Reply> Shim::release(EngineConnection& connection, uint64_t sequence, const Release& message) {
    auto process = find(message.exec_id);
    if (!process) return message.exec_id.empty() ? error_reply(process.error()) : good_reply();  // its clients are gone already
    (*process)->released = true;
    if (!message.exec_id.empty()) return good_reply();
    if (container_->task.running()) {
        container_->released = false;
        return error_reply(Error(ErrorKind::Conflict, "the container is running"));
    }
    pending_release_ = {connection.id, sequence};
    return std::nullopt;
}

}  // namespace proa::shim
