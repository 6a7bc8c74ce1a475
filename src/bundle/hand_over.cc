#include "bundle/hand_over.h"

#include "base/text.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::bundle {

Result<void> check_console(const HandOver& wanted, bool detach, bool terminal) {
    if (detach && terminal && wanted.console_socket.empty())
        return fail(ErrorKind::InvalidArgument, "cannot allocate tty if runc will detach without setting console socket");
    if (!wanted.console_socket.empty() && (!detach || !terminal))
        return fail(ErrorKind::InvalidArgument, "cannot use console socket if runc will not detach or allocate tty");
    return {};
}

runtime::Streams inherited_streams(const HandOver& wanted) {
    runtime::Streams streams;
    streams.stdin_fd = 0;
    streams.stdout_fd = 1;
    streams.stderr_fd = 2;
    streams.preserved_descriptors = wanted.preserve_fds;
    return streams;
}

namespace {
Result<void> send_descriptor(const std::string& path, std::string_view what, std::string_view text, const os::Fd& descriptor) {
    if (path.empty()) return {};
    os::Fd socket = TRY_WRAP(what, os::connect_unix(path, os::SocketType::Stream));
    int fd = descriptor.get();
    return os::send_message(socket.get(), text, std::span(&fd, 1));
}
}  // namespace

Result<void> hand_over(const HandOver& wanted, const runtime::Init& init) {
    TRY(send_descriptor(wanted.console_socket, "console socket", "/dev/ptmx", init.console));
    TRY(send_descriptor(wanted.pidfd_socket, "pidfd socket", "pidfd", init.pidfd));
    if (!wanted.pid_file.empty()) TRY_WRAP("pid file", os::replace_file(wanted.pid_file, concat(init.pid), 0644, false));
    return {};
}

}  // namespace proa::bundle
