#include "os/tree_watch.h"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "os/file.h"

namespace proa::os {

namespace {
constexpr uint32_t kInside = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE;
constexpr uint32_t kAbove = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM;  // directories that lead to a root
constexpr int kDepth = 1000;

bool is_below(const std::string& path, const std::string& directory) {
    return directory == "/" ? path.size() > 1 : path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}
}  // namespace

Result<TreeWatch> TreeWatch::create(std::vector<std::string> roots, Skips skips) {
    TreeWatch tree(TRY(Watch::create()), std::move(roots), std::move(skips));
    for (auto& root : tree.roots_) TRY(tree.add_root(root, nullptr));
    return tree;
}

/// False when there is no such directory, or it may not be read.
Result<bool> TreeWatch::add_directory(const std::string& directory, uint32_t mask) {
    auto added = watch_.add(directory, mask | IN_ONLYDIR | IN_MASK_ADD);
    if (added) {
        directories_[*added] = directory;
        return true;
    }
    int number = added.error().number();
    if (number == ENOENT || number == ENOTDIR || number == EACCES || number == ELOOP) return false;
    if (number == ENOSPC)
        return fail(ErrorKind::Internal,
                    concat("watch ", directory, ": no more directories can be watched: raise the kernel's fs.inotify.max_user_watches, or ignore more"));
    return fail(added.error());
}

Result<void> TreeWatch::add_root(const std::string& root, Found* found) {
    // What leads to it is watched too: it may come later, or go and come back.
    for (std::string above = directory_of(root);; above = directory_of(above)) {
        TRY(add_directory(above, kAbove));
        if (above == "/") break;
    }
    auto status = link_status(root);
    if (!status) return {};
    if (found) found->insert(root);
    if (S_ISDIR(status->st_mode)) return add_tree(root, found, 0);
    TRY(add_directory(directory_of(root), kInside));
    return {};
}

Result<void> TreeWatch::add_tree(const std::string& directory, Found* found, int depth) {
    if (depth > kDepth || skips_(directory) || !TRY(add_directory(directory, kInside))) return {};
    auto names = list_directory(directory);  // after the watch: what comes now is seen twice rather than not at all
    if (!names) return {};
    for (auto& name : *names) {
        std::string path = join_path(directory, name);
        auto status = link_status(path);
        if (!status) continue;
        if (found) found->insert(path);
        if (S_ISDIR(status->st_mode)) TRY(add_tree(path, found, depth + 1));
    }
    return {};
}

/// It has gone, or has another name now.
void TreeWatch::forget(const std::string& directory) {
    for (auto entry = directories_.begin(); entry != directories_.end();) {
        if (entry->second != directory && !is_below(entry->second, directory)) {
            ++entry;
            continue;
        }
        watch_.remove(entry->first);
        entry = directories_.erase(entry);
    }
}

bool TreeWatch::is_wanted(const std::string& path) const {
    for (auto& root : roots_)
        if (path == root || is_below(path, root)) return true;
    return false;
}

Result<void> TreeWatch::take(const Watch::Change& change, Found& found) {
    if (change.mask & IN_Q_OVERFLOW) {
        for (auto& root : roots_) TRY(add_root(root, &found));
        return {};
    }
    auto known = directories_.find(change.watch);
    if (known == directories_.end()) return {};
    if (change.mask & IN_IGNORED) {
        directories_.erase(known);
        return {};
    }
    if (change.name.empty()) return {};
    std::string path = join_path(known->second, change.name);
    bool directory = change.mask & IN_ISDIR, came = change.mask & (IN_CREATE | IN_MOVED_TO);
    bool went = change.mask & (IN_DELETE | IN_MOVED_FROM);
    if (directory && went) {
        forget(path);
        if (std::find(roots_.begin(), roots_.end(), path) != roots_.end()) return {};
    }
    if (came)
        for (auto& root : roots_)
            if (path == root || is_below(root, path)) TRY(add_root(root, &found));
    if (!is_wanted(path) || (directory && change.mask & IN_ATTRIB)) return {};
    found.insert(path);
    if (directory && came) TRY(add_tree(path, &found, 0));
    return {};
}

Result<std::set<std::string>> TreeWatch::changes() {
    Found found;
    for (auto& change : TRY(watch_.changes())) TRY(take(change, found));
    return found;
}

Result<std::set<std::string>> TreeWatch::all() {
    Found found;
    for (auto& root : roots_) TRY(add_root(root, &found));
    return found;
}

}  // namespace proa::os
