#include "build/stage_root.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "store/merged_tree.h"

namespace proa::build {

namespace {
using os::PathInRoot;

/// What the layers below show at a path; links are not followed.
using LookBelow = std::function<std::optional<struct stat>(const PathInRoot&)>;

bool is_opaque(const std::string& path) {
    char value = 0;
    return ::lgetxattr(path.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/// Removes directories below `path` that are empty and no different from `below`. True when `path` itself holds nothing any more.
Result<bool> drop_unchanged(const std::string& upper, const std::string& path, const LookBelow& below, int depth) {
    if (depth > 1000) return false;
    bool empty = true;
    for (auto& name : TRY(os::list_directory(upper + path))) {
        std::string child = concat(path, '/', name);
        struct stat st = TRY(os::link_status(upper + child));
        if (!S_ISDIR(st.st_mode) || !TRY(drop_unchanged(upper, child, below, depth + 1)) || is_opaque(upper + child)) {
            empty = false;
            continue;
        }
        auto old = below(PathInRoot(child));
        if (!old || !S_ISDIR(old->st_mode) || old->st_mode != st.st_mode || old->st_uid != st.st_uid || old->st_gid != st.st_gid) {
            empty = false;
            continue;
        }
        if (::rmdir((upper + child).c_str()) < 0) return fail_errno("rmdir", upper + child);
    }
    return empty;
}
}  // namespace

Result<StageRoot> StageRoot::writable(std::vector<std::string> lower, const std::string& scratch, store::StorageDriver driver) {
    StageRoot stage;
    stage.upper_ = scratch + "/diff";
    TRY(os::make_directories(stage.upper_, 0755));
    if (driver == store::StorageDriver::Vfs) {
        stage.copy_ = scratch + "/copy";
        stage.lower_ = std::move(lower);
        TRY(os::make_directories(stage.copy_, 0755));
        TRY(store::merge_layers(stage.lower_, stage.copy_));
        stage.root_ = TRY(os::RootDirectory::at(stage.copy_));
        return stage;
    }
    TRY(os::make_directories(scratch + "/work", 0700));
    TRY(os::make_directories(scratch + "/merged", 0700));
    stage.root_ = os::RootDirectory(TRY(os::detached_overlay({std::move(lower), stage.upper_, scratch + "/work"}, scratch + "/merged")));
    return stage;
}

Result<void> StageRoot::close() {
    root_ = {};
    if (copy_.empty()) return {};
    return store::copy_changes(copy_, TRY(store::tree_changes(copy_, lower_)), upper_);
}

Result<StageRoot> StageRoot::read_only(std::vector<std::string> lower, const std::string& scratch, store::StorageDriver driver) {
    if (driver == store::StorageDriver::Vfs) return writable(std::move(lower), scratch, driver);
    StageRoot stage;
    if (lower.size() == 1) {  // overlayfs wants two directories when nothing is writable
        stage.root_ = TRY(os::RootDirectory::at(lower[0]));
        return stage;
    }
    TRY(os::make_directories(scratch + "/merged", 0700));
    stage.root_ = os::RootDirectory(TRY(os::detached_overlay({std::move(lower), "", ""}, scratch + "/merged")));
    return stage;
}

Result<bool> tidy_upper(const std::string& upper, const std::vector<std::string>& lower, const std::vector<std::string>& stubs, const std::string& scratch,
                        store::StorageDriver driver) {
    StageRoot mounted;
    store::LayerIndex index;
    LookBelow below;
    if (driver == store::StorageDriver::Vfs) {
        index = TRY(store::LayerIndex::of(lower));
        below = [&](const PathInRoot& path) {
            auto* node = index.find(path.text());
            return node ? std::optional(node->status) : std::nullopt;
        };
    } else {
        mounted = TRY(StageRoot::read_only(lower, scratch, driver));
        below = [&](const PathInRoot& path) {
            auto found = mounted.root().link_stat(path);
            return found ? std::optional(*found) : std::nullopt;
        };
    }
    auto root = TRY(os::RootDirectory::at(upper, os::Scope::NoLinks));
    for (auto& stub : stubs) {
        auto st = root.link_stat(PathInRoot(stub));
        if (!st || below(PathInRoot(stub))) continue;
        auto parent = TRY(root.open_parent(PathInRoot(stub)));
        if (S_ISREG(st->st_mode) && st->st_size == 0) TRY(root.remove(PathInRoot(stub)));
        else if (S_ISDIR(st->st_mode)) (void)::unlinkat(parent.directory.get(), parent.name.c_str(), AT_REMOVEDIR);  // one with content stays
        // The parents that were made for the stub go too.
        for (PathInRoot up = PathInRoot(stub).parent(); !up.name().empty() && !below(up); up = up.parent()) {
            auto holder = TRY(root.open_parent(up));
            if (::unlinkat(holder.directory.get(), holder.name.c_str(), AT_REMOVEDIR) < 0) break;
        }
    }
    return TRY(drop_unchanged(upper, "", below, 0)) && !is_opaque(upper);
}

Result<void> clamp_times(const std::string& directory, int64_t seconds) {
    for (auto& name : TRY(os::list_directory(directory))) {
        std::string path = concat(directory, '/', name);
        struct stat st = TRY(os::link_status(path));
        if (S_ISDIR(st.st_mode)) TRY(clamp_times(path, seconds));
        if (st.st_mtim.tv_sec <= seconds) continue;
        timespec times[2] = {{seconds, 0}, {seconds, 0}};
        if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set times of", path);
    }
    return {};
}

}  // namespace proa::build
