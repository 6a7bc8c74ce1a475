#include "container/layer_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <thread>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/user_namespace.h"

namespace proa::container {

namespace {

Result<os::Fd> open_in_own_namespace(const std::vector<std::string>& lower, const std::string& anchor, const os::PathInRoot& below, const LayerIds& ids) {
    if (::unshare(CLONE_NEWNS) < 0) return fail_errno("unshare", "mount namespace");
    TRY(os::change_propagation("/", MS_REC | MS_SLAVE));
    if (ids.user_namespace >= 0) TRY(os::show_mapped(ids.directory, ids.user_namespace));
    os::Fd target = TRY(os::open_file(anchor, O_PATH | O_DIRECTORY));
    os::RootDirectory root(TRY(os::mount_overlay({lower, "", ""}, target.get(), false, anchor)), os::Scope::Beneath);
    std::string_view path = trim_prefix(below.text(), "/");
    if (path.empty()) return os::clone_tree(root.fd(), false, anchor);
    return os::clone_tree(TRY(root.open_path(os::PathInRoot(path))).get(), false, below.text());
}

}  // namespace

Result<os::Fd> open_layers(const std::vector<std::string>& lower, const std::string& anchor, const os::PathInRoot& below, const LayerIds& ids) {
    Result<os::Fd> opened = os::Fd();
    // A thread of its own: unshare(2) is for good. The clone stays when the thread's namespace goes.
    std::thread([&] { opened = open_in_own_namespace(lower, anchor, below, ids); }).join();
    return opened;
}

}  // namespace proa::container
