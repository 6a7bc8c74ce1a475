#include "container/image_accounts.h"

#include "base/text.h"
#include "container/layer_view.h"

namespace proa::container {

Result<runtime::Identity> identity_in_layers(const runtime::Process& process, const runtime::Root& root) {
    if (root.overlay_lower.empty()) return runtime::resolve_identity(process, TRY(os::RootDirectory::at(root.directory)));
    // The writable layer on top of the others, but nothing to write to: upper and work may not be mounted twice.
    std::vector<std::string> lower = root.overlay_lower;
    lower.insert(lower.begin(), root.overlay_upper);
    return runtime::resolve_identity(process, os::RootDirectory(TRY(open_layers(lower, root.directory))));
}

Result<runtime::Identity> identity_in_running(const runtime::Process& process, int32_t init_pid) {
    return runtime::resolve_identity(process, TRY(os::RootDirectory::at(concat("/proc/", init_pid, "/root"))));
}

}  // namespace proa::container
