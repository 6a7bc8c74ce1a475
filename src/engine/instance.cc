#include "engine/instance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "engine/settings.h"
#include "os/file.h"

namespace proa::engine {

namespace {

Result<void> ensure_directory(const std::string& path, mode_t mode) {
    TRY(os::make_directories(path, mode));
    auto st = TRY(os::status(path));
    if ((st.st_mode & 07777) != mode && ::chmod(path.c_str(), mode) < 0) return fail_errno("chmod", path);
    return {};
}

constexpr int kLockWaitMs = 3000;
constexpr timespec kLockStep{0, 50'000'000};

/// A daemon that was killed a moment ago may have a child between its clone and its exec, which shares the lock until then.
bool lock_within(const os::Fd& file, int wait_ms) {
    for (int waited = 0; ::flock(file.get(), LOCK_EX | LOCK_NB) < 0; waited += 50) {
        if (waited >= wait_ms) return false;
        ::nanosleep(&kLockStep, nullptr);
    }
    return true;
}

Result<void> check_pidfile(const std::string& path) {
    auto text = os::read_file(path, 64);
    auto pid = text ? parse_int(trim(*text)) : std::nullopt;
    if (!pid || *pid <= 0 || *pid == ::getpid()) return {};
    if (::kill(static_cast<pid_t>(*pid), 0) < 0 && errno == ESRCH) return {};
    // A recycled pid must not keep the daemon from starting.
    auto name = os::read_file(concat("/proc/", *pid, "/comm"), 64);
    if (name && trim(*name) != "proad") return {};
    return fail(ErrorKind::Conflict, concat("failed to start daemon, ensure proad is not running or delete ", path, ": process with PID ", *pid, " is still running"));
}

}  // namespace

Result<Instance> Instance::claim(const Settings& settings, const Paths& paths) {
    Instance instance;
    TRY(ensure_directory(paths.data_root, 0710));  // with userns-remap: of the group that the root inside is in
    TRY(ensure_directory(paths.containers(), 0710));
    // The API socket stands in the exec root by default, and members of its group must reach it: passing is allowed, listing is not.
    TRY(ensure_directory(paths.exec_root, 0711));
    TRY(ensure_directory(paths.states(), 0700));
    TRY(ensure_directory(paths.namespaces(), 0700));
    instance.lock_ = TRY(os::open_file(paths.data_root + "/lock", O_RDWR | O_CREAT, 0600));
    if (!lock_within(instance.lock_, kLockWaitMs))
        return fail(ErrorKind::Conflict, concat("failed to start daemon: another proad uses the data root ", paths.data_root));
    TRY(check_pidfile(settings.pidfile));
    TRY(os::make_directories(os::directory_of(settings.pidfile), 0755));
    TRY(os::replace_file(settings.pidfile, concat(::getpid()), 0644, false));
    instance.pidfile_ = settings.pidfile;
    return instance;
}

Instance::~Instance() {
    if (lock_ && !pidfile_.empty()) (void)os::remove_file(pidfile_);
}

void notify_service_manager(std::string_view state) {
    const char* path = ::getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';
    os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket)
        ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

}  // namespace proa::engine
