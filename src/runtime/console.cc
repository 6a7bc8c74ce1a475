#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "os/mount.h"
#include "os/pty.h"
#include "runtime/root_builder.h"

namespace proa::runtime {

Result<RootBuilder::Console> RootBuilder::open_console() {
    // ptmx of the container's devpts: looked at before it is opened, so that a planted file, FIFO or device is never touched (C5).
    os::Fd found = TRY_WRAP("open a terminal", root_.open_path(os::PathInRoot("/dev/pts/ptmx"), true));
    struct stat st;
    if (::fstat(found.get(), &st) < 0) return fail_errno("stat", "/dev/pts/ptmx");
    if (TRY(os::filesystem_magic(found.get())) != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
        return fail(ErrorKind::InvalidArgument, "/dev/pts/ptmx is no terminal multiplexer: a devpts file system must be mounted on /dev/pts");
    os::Pty pty = TRY(os::open_pty(TRY(os::reopen(found.get(), O_RDWR | O_NOCTTY))));
    if (plan_.process.console_height || plan_.process.console_width)
        TRY(os::set_window_size(pty.peer.get(), {plan_.process.console_height, plan_.process.console_width}));

    os::Fd target = TRY(root_.ensure_file(os::PathInRoot("/dev/console"), 0600));
    os::Fd tree = TRY(os::clone_tree(pty.peer.get(), false, "the terminal"));
    TRY(os::move_mount(tree.get(), target.get(), "/dev/console"));
    return Console{std::move(pty.master), std::move(pty.peer)};
}

}  // namespace proa::runtime
