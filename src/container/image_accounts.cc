#include "container/image_accounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <thread>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

namespace proa::container {

namespace {

Result<os::RootDirectory> mount_layers(const runtime::Root& root) {
    if (::unshare(CLONE_NEWNS) < 0) return fail_errno("unshare", "mount namespace");
    TRY(os::change_propagation("/", MS_REC | MS_SLAVE));
    // The writable layer on top of the others, but nothing to write to: upper and work may not be mounted twice.
    os::OverlayDirectories directories{root.overlay_lower, "", ""};
    directories.lower.insert(directories.lower.begin(), root.overlay_upper);
    os::Fd target = TRY(os::open_file(root.directory, O_PATH | O_DIRECTORY));
    return os::RootDirectory(TRY(os::mount_overlay(directories, target.get(), false, root.directory)));
}

}  // namespace

Result<runtime::Identity> identity_in_layers(const runtime::Process& process, const runtime::Root& root) {
    if (root.overlay_lower.empty()) return runtime::resolve_identity(process, TRY(os::RootDirectory::at(root.directory)));
    Result<runtime::Identity> identity = runtime::Identity();
    // A thread of its own: unshare(2) is for good, and the mount goes with the thread's namespace.
    std::thread([&] {
        identity = [&]() -> Result<runtime::Identity> { return runtime::resolve_identity(process, TRY(mount_layers(root))); }();
    }).join();
    return identity;
}

Result<runtime::Identity> identity_in_running(const runtime::Process& process, int32_t init_pid) {
    return runtime::resolve_identity(process, TRY(os::RootDirectory::at(concat("/proc/", init_pid, "/root"))));
}

}  // namespace proa::container
