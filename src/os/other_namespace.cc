#include "os/other_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <thread>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

namespace proa::os {

Result<Fd> clone_tree_of_process(pid_t pid, const std::string& path, int64_t magic) {
    Fd space = TRY(open_file(concat("/proc/", pid, "/ns/mnt"), O_RDONLY));
    Result<Fd> tree = fail(ErrorKind::Internal, "no result");
    std::thread visitor([&] {
        tree = [&]() -> Result<Fd> {
            if (::unshare(CLONE_FS) < 0) return fail_errno("unshare", "working directory");  // setns(2) wants it to be ours alone
            if (::setns(space.get(), CLONE_NEWNS) < 0) return fail_errno("setns", concat("the mounts of process ", pid));
            Fd place = TRY(open_file(path, O_PATH | O_NOFOLLOW));
            if (TRY(filesystem_magic(place.get())) != magic) return fail(ErrorKind::InvalidArgument, concat(path, " of process ", pid, " is another file system than expected"));
            return clone_tree(place.get(), false, path);
        }();
    });
    visitor.join();
    return tree;
}

}  // namespace proa::os
