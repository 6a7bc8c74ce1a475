#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "bundle/command_line.h"
#include "os/file.h"
#include "os/mount.h"

extern char** environ;

namespace proa::bundle {

namespace {
/// True when nobody can open the running program for writing through /proc/PID/exe.
bool is_protected(int program) {
    struct statvfs info;
    if (::fstatvfs(program, &info) == 0 && info.f_flag & ST_RDONLY) return true;
    int seals = ::fcntl(program, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_WRITE;
}

/// The program on a read-only mount that no namespace holds: costs no copy. Before Linux 5.12, or where the file system refuses: a sealed
/// copy in memory.
Result<os::Fd> protected_copy() {
    auto tree = os::clone_tree(AT_FDCWD, "/proc/self/exe", false);
    if (tree && os::change_mount(tree->get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, false}, "the program")) {
        return tree;
    }
    return os::sealed_memfd("proa-runtime", TRY(os::read_file("/proc/self/exe", 256 << 20)), true);
}
}  // namespace

std::string protect_own_binary(char** argv) {
    auto own = os::open_file("/proc/self/exe", O_RDONLY);
    if (!own) return own.error().message();
    if (is_protected(own->get())) return "";
    auto copy = protected_copy();
    if (!copy) return copy.error().message();
    ::syscall(SYS_execveat, copy->get(), "", argv, environ, AT_EMPTY_PATH);
    return errno_error("execute a protected copy of", "proa-runtime").message();
}

}  // namespace proa::bundle
