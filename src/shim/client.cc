#include "shim/client.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"

namespace proa::shim {

Result<Connection> Connection::connect(const std::string& state_directory) {
    return Connection(TRY(os::connect_unix(socket_path(state_directory), os::SocketType::SeqPacket)));
}

namespace {
Unexpected gone() { return fail(ErrorKind::Unavailable, "the container's shim is gone", EPIPE); }

int remaining_ms(int64_t deadline) {
    int64_t left = (deadline - monotonic_nanoseconds()) / 1'000'000;
    return left > 0 ? static_cast<int>(left) : 0;
}
}  // namespace

Result<Reply> Connection::request(MessageType type, std::string body, std::span<const int> fds, int timeout_ms) {
    Request message{type, ++sequence_, std::move(body)};
    std::string bytes = pack(message);
    if (bytes.size() > kMessageBytesMax) return fail(ErrorKind::InvalidArgument, "the message to the shim is too large");
    auto sent = os::send_message(socket_.get(), bytes, fds);
    if (!sent && (sent.error().number() == EPIPE || sent.error().number() == ECONNRESET)) return gone();
    if (!sent) return fail(std::move(sent).error());
    const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        auto answer = TRY(receive(timeout_ms < 0 ? -1 : remaining_ms(deadline)));
        if (!answer) return fail(ErrorKind::Unavailable, "the container's shim does not answer", ETIMEDOUT);
        if (answer->type == MessageType::Event) {
            events_.push_back(TRY(unpack<Event>(answer->body)));
        } else if (answer->sequence == message.sequence) {
            Reply reply = TRY(unpack<Reply>(answer->body));
            if (reply.good) return reply;
            return fail(static_cast<ErrorKind>(reply.error_kind), std::move(reply.error_message), reply.error_number);
        }
        // Else the late reply to a request that was given up.
    }
}

Result<std::optional<Event>> Connection::receive_event(int timeout_ms) {
    while (events_.empty()) {
        auto message = TRY(receive(timeout_ms));
        if (!message) return std::optional<Event>();
        if (message->type == MessageType::Event) events_.push_back(TRY(unpack<Event>(message->body)));
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return std::optional<Event>(std::move(event));
}

/// The next message of either kind, nothing after the time.
Result<std::optional<Request>> Connection::receive(int timeout_ms) {
    if (!TRY(os::wait_readable(socket_.get(), timeout_ms))) return std::optional<Request>();
    auto message = os::receive_message(socket_.get(), kMessageBytesMax);
    if (!message && message.error().number() == ECONNRESET) return gone();
    if (!message) return fail(std::move(message).error());
    if (message->data.empty()) return gone();
    return std::optional<Request>(TRY(unpack<Request>(message->data)));
}

Result<os::Fd> open_shim_binary(const std::string& path) {
    auto memory = os::sealed_memfd("proa-shim", TRY(os::read_file(path)), true);
    if (memory) return memory;
    return os::open_file(path, O_RDONLY);  // vm.memfd_noexec=2 allows no programs in memfds
}

namespace {
constexpr size_t kStackBytes = 64 * 1024;
constexpr int kControlDescriptor = 3;

/// All that the child needs, made beforehand: it shares our memory and may not allocate.
struct Spawn {
    int binary, control, null;
    char* const* arguments;
    char* const* environment;
    int error = 0;
};

int spawn_child(void* data) {
    auto& spawn = *static_cast<Spawn*>(data);
    os::reset_signals();
    ::setsid();
    bool good = ::dup2(spawn.null, 0) == 0 && ::dup2(spawn.null, 1) == 1 && ::dup2(spawn.null, 2) == 2 &&
                ::dup2(spawn.control, kControlDescriptor) == kControlDescriptor &&
                ::syscall(SYS_close_range, kControlDescriptor + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
    if (good) ::syscall(SYS_execveat, spawn.binary, "", spawn.arguments, spawn.environment, AT_EMPTY_PATH);
    spawn.error = errno;
    ::_exit(127);
}

Result<os::Fd> lift(int fd) {  // above the numbers that the child rearranges
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
    if (high < 0) return fail_errno("duplicate descriptor");
    return os::Fd(high);
}

/// clone(2) with our memory, which we get back when the child has executed its program.
Result<pid_t> run_spawn(Spawn& spawn, os::Fd& pidfd) {
    void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return fail_errno("mmap", "stack");
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);  // no handler of ours may run in the child
    int descriptor = -1;
    pid_t pid = ::clone(spawn_child, static_cast<char*>(stack) + kStackBytes, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                        &spawn, &descriptor);
    int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::munmap(stack, kStackBytes);
    if (pid < 0) return fail(errno_error("clone", "shim", error));
    pidfd = os::Fd(descriptor);
    if (spawn.error == 0) return pid;
    (void)os::wait_for_exit(pid);
    return fail(errno_error("execute", "shim", spawn.error));
}
}  // namespace

Result<StartedShim> start_shim(int shim_binary, const std::string& pool_cgroup_path) {
    auto pair = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    os::Fd binary = TRY(lift(shim_binary)), control = TRY(lift(pair.second.get()));
    os::Fd null = TRY(lift(TRY(os::open_file("/dev/null", O_RDWR)).get()));
    std::string name = "proa-shim", option = "--pool-cgroup", path = pool_cgroup_path;
    char* arguments[] = {name.data(), path.empty() ? nullptr : option.data(), path.data(), nullptr};
    // Room behind the arguments in which the shim shows its container's id.
    std::string room = "PROA_SHIM=" + std::string(80, ' ');
    char* environment[] = {room.data(), nullptr};
    Spawn spawn{binary.get(), control.get(), null.get(), arguments, environment};
    StartedShim started;
    started.pid = TRY(run_spawn(spawn, started.pidfd));
    started.connection = Connection(std::move(pair.first));
    return started;
}

}  // namespace proa::shim
