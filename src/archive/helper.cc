#include "archive/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/text.h"
#include "os/command.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"

namespace proa::archive {

namespace {
constexpr size_t kReplyBytesMax = 128 << 10;

/// Above the numbers that the child rearranges.
Result<os::Fd> lift(int fd) {
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 16);
    if (high < 0) return fail_errno("duplicate descriptor");
    return os::Fd(high);
}

struct ChildEnds {
    os::Fd input, output, status, request, root, user;
};

Result<pid_t> spawn(const std::string& program, const ChildEnds& ends) {
    std::vector<os::HandedDescriptor> handed{{ends.input.get(), 0}, {ends.output.get(), 1}, {ends.status.get(), kStatusDescriptor}, {ends.request.get(), kRequestDescriptor}};
    if (ends.root) handed.push_back({ends.root.get(), kRootDescriptor});
    if (ends.user) handed.push_back({ends.user.get(), kUserDescriptor});
    char* environment[] = {nullptr};
    return os::spawn_command(program, {"proa-archive"}, environment, handed);
}
}  // namespace

Result<Helper> Helper::start(const std::string& program, const Request& request, int root, int user) {
    Helper helper;
    ChildEnds ends;
    os::Fd null = TRY(os::open_file("/dev/null", O_RDWR));
    os::Pipe input = TRY(os::make_pipe()), output = TRY(os::make_pipe());
    (void)::fcntl(input.write_end.get(), F_SETPIPE_SZ, 1 << 20);  // fewer turns between us and the helper; the smaller pipe works too
    (void)::fcntl(output.read_end.get(), F_SETPIPE_SZ, 1 << 20);
    bool reads = request.verb == Verb::Write, writes = request.verb == Verb::Read || request.verb == Verb::Export;
    auto status = TRY(os::make_socket_pair(os::SocketType::SeqPacket));
    ends.input = TRY(lift(reads ? input.read_end.get() : null.get()));
    ends.output = TRY(lift(writes ? output.write_end.get() : null.get()));
    ends.status = TRY(lift(status.second.get()));
    ends.request = TRY(lift(TRY(os::sealed_memfd("proa-archive", pack(request))).get()));
    if (root >= 0) ends.root = TRY(lift(root));
    if (user >= 0) ends.user = TRY(lift(user));
    helper.pid_ = TRY(spawn(program, ends));
    helper.status_ = std::move(status.first);
    if (reads) helper.input_ = std::move(input.write_end);
    if (writes) helper.output_ = std::move(output.read_end);
    return helper;
}

Helper::Helper(Helper&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(std::move(other.status_)), input_(std::move(other.input_)), output_(std::move(other.output_)) {}

Helper::~Helper() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);  // ours until it is reaped; one that is done has ended or is about to
    (void)os::wait_for_exit(pid_);
}

Result<Reply> Helper::reply() {
    auto message = TRY(os::receive_message(status_.get(), kReplyBytesMax));
    if (message.data.empty()) return fail(ErrorKind::Internal, "proa-archive ended without an answer");
    Reply reply = TRY(unpack<Reply>(message.data));
    if (reply.good) return reply;
    return fail(static_cast<ErrorKind>(reply.error_kind), reply.error_message, reply.error_number);
}

}  // namespace proa::archive
