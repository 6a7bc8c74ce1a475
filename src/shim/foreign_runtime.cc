#include "shim/foreign_runtime.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"
#include "os/socket.h"

namespace proa::shim {

namespace {
constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int kConsoleTimeoutMs = 10'000;

/// In the child: stdin, stdout and stderr, nothing else open, then the program. Returns only on failure.
void become(const std::vector<std::string>& arguments, const runtime::Streams& streams) {
    std::vector<char*> list;
    for (auto& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
    list.push_back(nullptr);
    char* environment[] = {const_cast<char*>(kPath), nullptr};
    const int wanted[] = {streams.stdin_fd, streams.stdout_fd, streams.stderr_fd};
    for (int target = 0; target < 3; target++)  // 0 to 2 are /dev/null so far, so no pipe's descriptor is overwritten
        if (wanted[target] >= 0) ::dup2(wanted[target], target);
    ::syscall(SYS_close_range, 3u, ~0u, 0u);
    os::reset_signals();
    ::execve(list[0], list.data(), environment);
}

/// What the runtime's words mean in errno, so that engines tell 127 from 126 as with our own runtime.
int number_of(std::string_view message) {
    if (message.find("permission denied") != std::string_view::npos || message.find("Permission denied") != std::string_view::npos)
        return EACCES;
    if (message.find("executable file not found") != std::string_view::npos ||
        message.find("no such file or directory") != std::string_view::npos || message.find("No such file") != std::string_view::npos)
        return ENOENT;
    return 0;
}

/// Undoes JSON's escapes; of \u only what fits one byte occurs in these logs.
std::string unescape(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        char c = text[++i];
        if (c == 'u' && i + 4 < text.size()) {
            out += static_cast<char>(parse_uint(text.substr(i + 1, 4), 16).value_or('?'));
            i += 4;
        } else {
            out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
    }
    return out;
}
}  // namespace

std::string last_log_message(std::string_view log, std::string_view fallback) {
    constexpr std::string_view kKey = "\"msg\":";
    size_t at = log.rfind(kKey);
    if (at == std::string_view::npos) {
        auto lines = split_nonempty(log, '\n');
        return lines.empty() ? std::string(fallback) : lines.back();
    }
    at = log.find('"', at + kKey.size());
    if (at == std::string_view::npos) return std::string(fallback);
    size_t end = ++at;
    while (end < log.size() && log[end] != '"') end += log[end] == '\\' ? 2 : 1;
    return unescape(log.substr(at, std::min(end, log.size()) - at));
}

Result<void> ForeignRuntime::mount_root(const runtime::Root& root) {
    if (settings_.rootfs_mount.empty() || root.overlay_lower.empty()) return {};
    if (::unshare(CLONE_NEWNS) < 0) return fail_errno("unshare", "mount namespace");
    TRY(os::change_propagation("/", MS_REC | MS_SLAVE));
    os::Fd target = TRY(os::open_file(settings_.rootfs_mount, O_PATH | O_DIRECTORY));
    TRY(os::mount_overlay({root.overlay_lower, root.overlay_upper, root.overlay_work}, target.get(), false, settings_.rootfs_mount));
    is_mounted_ = true;
    return {};
}

Result<void> ForeignRuntime::mount_sources(const std::vector<runtime::Mount>& mounts, const std::vector<int>& descriptors) {
    for (size_t i = 0; i < mounts.size(); i++) {
        if (mounts[i].descriptor < 0) continue;
        auto index = static_cast<size_t>(mounts[i].descriptor);
        if (index >= descriptors.size()) return fail(ErrorKind::InvalidArgument, concat("mount source descriptor ", index, " was not handed over"));
        std::string path = concat(settings_.bundle, "/mount-", i);
        struct stat st;
        if (::fstat(descriptors[index], &st) < 0) return fail_errno("stat", mounts[i].destination);
        if (S_ISDIR(st.st_mode)) TRY(os::make_directories(path, 0700));
        else TRY(os::write_file(path, "", 0600));
        os::Fd target = TRY(os::open_file(path, O_PATH));
        TRY(os::move_mount(descriptors[index], target.get(), path));
    }
    return {};
}

Result<runtime::Init> ForeignRuntime::launch(const runtime::Streams& streams, bool terminal) {
    auto init = start_process({"create", "--bundle", settings_.bundle}, {settings_.container_id}, streams, terminal);
    if (init) {
        auto started = run({"start", settings_.container_id}, {});
        if (started) return init;
        init = fail(std::move(started).error());
    }
    (void)remove();  // the first error is what counts
    return init;
}

Result<runtime::Init> ForeignRuntime::execute(const std::string& process_file, const runtime::Streams& streams, bool terminal) {
    return start_process({"exec", "--detach", "--process", process_file}, {settings_.container_id}, streams, terminal);
}

Result<runtime::Init> ForeignRuntime::start_process(std::vector<std::string> subcommand, std::vector<std::string> operands,
                                                    const runtime::Streams& streams, bool terminal) {
    const std::string pid_file = file("runtime.pid"), console_path = file("console.sock");
    TRY(os::remove_file(pid_file));
    subcommand.insert(subcommand.end(), {"--pid-file", pid_file});
    os::Fd console_listener, directory;
    if (terminal) {
        console_listener = TRY(os::listen_unix(console_path, os::SocketType::Stream, 0600));
        // By our descriptor: a socket's address has no room for long directories.
        directory = TRY(os::open_file(settings_.state_directory, O_PATH | O_DIRECTORY));
        subcommand.insert(subcommand.end(), {"--console-socket", concat("/proc/", ::getpid(), "/fd/", directory.get(), "/console.sock")});
    }
    subcommand.insert(subcommand.end(), operands.begin(), operands.end());
    auto done = run(subcommand, streams);
    runtime::Init init;
    if (done && terminal) {
        // The runtime has connected and sent the master by now: it waits for nothing after that.
        if (!TRY(os::wait_readable(console_listener.get(), kConsoleTimeoutMs)))
            return fail(ErrorKind::Internal, "the runtime sent no console", ETIMEDOUT);
        os::Fd connection = TRY(os::accept_connection(console_listener.get(), false));
        auto message = TRY(os::receive_message(connection.get(), 4096));
        if (message.fds.size() != 1) return fail(ErrorKind::Internal, "the runtime sent no console");
        init.console = std::move(message.fds[0]);
    }
    if (terminal) (void)os::remove_file(console_path);
    if (!done) return fail(std::move(done).error());
    auto pid = parse_int(trim(TRY(os::read_file(pid_file, 64))));
    if (!pid) return fail(ErrorKind::Internal, "the runtime wrote no pid");
    init.pid = static_cast<pid_t>(*pid);
    init.pidfd = TRY(os::open_pidfd(init.pid));
    return init;
}

/// Runs `program arguments --log F subcommand` and waits for it.
Result<void> ForeignRuntime::run(const std::vector<std::string>& subcommand, const runtime::Streams& streams) {
    const std::string log = file("runtime.log");
    TRY(os::remove_file(log));
    std::vector<std::string> arguments = {settings_.program};
    arguments.insert(arguments.end(), settings_.arguments.begin(), settings_.arguments.end());
    arguments.insert(arguments.end(), {"--log", log, "--log-format", "json"});
    arguments.insert(arguments.end(), subcommand.begin(), subcommand.end());
    auto child = TRY(os::clone_process({}));
    if (child.pid == 0) {
        become(arguments, streams);
        ::_exit(errno == ENOENT ? 127 : 126);
    }
    int code = TRY(os::wait_for_exit(child.pid)).code;
    if (code == 0) return {};
    std::string text = os::read_file(log, 1 << 20).value_or(std::string());
    std::string message = last_log_message(text, concat(settings_.program, " ", subcommand[0], " ended with status ", code));
    const int number = number_of(message);
    return fail(number == ENOENT ? ErrorKind::NotFound : number == EACCES ? ErrorKind::Forbidden : ErrorKind::Internal, message, number);
}

Result<void> ForeignRuntime::remove() {
    auto removed = run({"delete", "--force", settings_.container_id}, {});
    for (auto name : {"runtime.pid", "runtime.log", "console.sock"}) (void)os::remove_file(file(name));
    if (is_mounted_) {
        TRY(os::unmount(settings_.rootfs_mount, MNT_DETACH));
        is_mounted_ = false;
    }
    return removed;
}

}  // namespace proa::shim
