#include "store/merged_tree.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/text.h"
#include "os/copy_tree.h"
#include "os/directory.h"
#include "os/file.h"
#include "os/path_in_root.h"

namespace proa::store {

namespace {
constexpr int kDepthMax = 1000;
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq";

Unexpected too_deep(std::string_view what) { return fail(ErrorKind::InvalidArgument, concat(what, ": more than ", kDepthMax, " directories deep")); }

bool is_mark(std::string_view name, const struct stat& st) { return name.starts_with(kWhiteout) && !S_ISDIR(st.st_mode); }

Result<void> remove_attributes(int directory) {
    for (auto& name : TRY(os::attribute_names(directory))) {
        if (name == "security.selinux") continue;
        if (::fremovexattr(directory, name.c_str()) < 0 && errno != ENODATA) return fail_errno("removexattr", name);
    }
    return {};
}

/// Takes out of the tree `to` what the layer `from` hides, so that its entries can be copied into it.
Result<void> make_room(int from, int to, int depth) {
    if (depth > kDepthMax) return too_deep("layer");
    auto names = TRY(os::list_entries(from));
    for (auto& name : names) {
        if (!name.starts_with(kWhiteout) || S_ISDIR(TRY(os::entry_status(from, name)).st_mode)) continue;
        if (name == kOpaque) {
            for (auto& below : TRY(os::list_entries(to))) TRY(os::remove_entry(to, below));
        } else {
            TRY(os::remove_entry(to, name.substr(kWhiteout.size())));
        }
    }
    for (auto& name : names) {
        if (!S_ISDIR(TRY(os::entry_status(from, name)).st_mode)) continue;
        auto old = os::entry_status(to, name);
        if (!old) continue;
        if (!S_ISDIR(old->st_mode)) {
            TRY(os::remove_entry(to, name));
            continue;
        }
        os::Fd below_from = TRY(os::open_entry(from, name, O_RDONLY | O_DIRECTORY)), below_to = TRY(os::open_entry(to, name, O_RDONLY | O_DIRECTORY));
        TRY(remove_attributes(below_to.get()));
        TRY(make_room(below_from.get(), below_to.get(), depth + 1));
    }
    return {};
}

Result<void> add_to_index(int directory, LayerIndex::Node& node, size_t layer, int depth) {
    if (depth > kDepthMax) return too_deep("layer");
    std::vector<std::pair<std::string, struct stat>> entries;
    for (auto& name : TRY(os::list_entries(directory))) {
        struct stat st = TRY(os::entry_status(directory, name));
        if (!is_mark(name, st)) entries.emplace_back(name, st);
        else if (name == kOpaque) node.children.clear();
        else node.children.erase(name.substr(kWhiteout.size()));
    }
    for (auto& [name, st] : entries) {
        auto& child = node.children[name];
        if (!child || !S_ISDIR(st.st_mode) || !S_ISDIR(child->status.st_mode)) child = std::make_unique<LayerIndex::Node>();
        child->status = st;
        child->layer = layer;
        if (S_ISDIR(st.st_mode)) TRY(add_to_index(TRY(os::open_entry(directory, name, O_RDONLY | O_DIRECTORY)).get(), *child, layer, depth + 1));
    }
    return {};
}

/// The extended attributes that a layer can carry.
Result<std::map<std::string, std::string>> attributes_of(int fd) {
    std::map<std::string, std::string> attributes;
    for (auto& name : TRY(os::attribute_names(fd))) {
        if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == "security.selinux") continue;
        if (auto value = TRY(os::read_attribute(fd, name))) attributes[name] = std::move(*value);
    }
    return attributes;
}

/// By descriptors: the tree may be a running container's.
class TreeWalk {
public:
    TreeWalk(const LayerIndex& index, const std::vector<os::RootDirectory>& roots) : index_(index), roots_(roots) {}
    std::vector<Change> changes;

    /// `below` is nullptr in a directory that is new.
    Result<void> walk(int directory, const LayerIndex::Node* below, const std::string& path, int depth) {
        if (depth > kDepthMax) return too_deep("diff");
        std::set<std::string> seen;
        for (auto& name : TRY(os::list_entries(directory))) {
            auto entry = os::open_entry(directory, name, O_PATH);
            if (!entry) continue;  // the container removed it meanwhile
            seen.insert(name);
            const LayerIndex::Node* old = nullptr;
            if (below)
                if (auto found = below->children.find(name); found != below->children.end()) old = found->second.get();
            TRY(look_at(entry->get(), old, concat(path, '/', name), depth));
        }
        if (!below) return {};
        for (auto& [name, child] : below->children)
            if (!seen.contains(name)) changes.push_back({ChangeKind::Deleted, concat(path, '/', name)});
        return {};
    }

private:
    Result<void> look_at(int entry, const LayerIndex::Node* old, const std::string& path, int depth) {
        struct stat st = TRY(os::descriptor_status(entry));
        size_t mine = changes.size();
        bool was_directory = old && S_ISDIR(old->status.st_mode), changed = true;
        if (old) changed = TRY(differs(entry, st, *old, path));
        if (changed) changes.push_back({old ? ChangeKind::Modified : ChangeKind::Added, path});
        if (!S_ISDIR(st.st_mode)) return {};
        size_t before = changes.size();
        TRY(walk(entry, was_directory ? old : nullptr, path, depth + 1));
        if (!changed && changes.size() > before) changes.insert(changes.begin() + static_cast<std::ptrdiff_t>(mine), {ChangeKind::Modified, path});
        return {};
    }

    Result<bool> differs(int entry, const struct stat& st, const LayerIndex::Node& old, const std::string& path) const {
        auto& was = old.status;
        if (st.st_mode != was.st_mode || st.st_uid != was.st_uid || st.st_gid != was.st_gid) return true;
        if ((S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) && st.st_rdev != was.st_rdev) return true;
        // Size and time of a directory only say that something below it changed.
        if (!S_ISDIR(st.st_mode) && (st.st_size != was.st_size || st.st_mtim.tv_sec != was.st_mtim.tv_sec || st.st_mtim.tv_nsec != was.st_mtim.tv_nsec))
            return true;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return false;
        os::Fd source = TRY(roots_[old.layer].open_path(os::PathInRoot(path), true));
        return TRY(attributes_of(entry)) != TRY(attributes_of(source.get()));
    }

    const LayerIndex& index_;
    const std::vector<os::RootDirectory>& roots_;
};
}  // namespace

Result<void> merge_layers(const std::vector<std::string>& lower, const std::string& target) {
    os::Fd to = TRY(os::open_file(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    for (size_t i = lower.size(); i-- > 0;) {
        os::Fd from = TRY(os::open_file(lower[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(make_room(from.get(), to.get(), 0));
        os::CopyOptions options;
        options.skip = [](const std::string& path, bool directory) {
            return !directory && std::string_view(path).substr(path.rfind('/') + 1).starts_with(kWhiteout);
        };
        TRY(os::TreeCopier(std::move(options)).copy_content(from.get(), to.get()));
    }
    return {};
}

Result<LayerIndex> LayerIndex::of(const std::vector<std::string>& lower) {
    LayerIndex index;
    index.lower_ = lower;
    for (size_t i = lower.size(); i-- > 0;) {
        os::Fd directory = TRY(os::open_file(lower[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        index.root_->status = TRY(os::descriptor_status(directory.get()));
        index.root_->layer = i;
        TRY(add_to_index(directory.get(), *index.root_, i, 0));
    }
    return index;
}

const LayerIndex::Node* LayerIndex::find(std::string_view path) const {
    const Node* node = root_.get();
    for (auto& piece : split_nonempty(path, '/')) {
        auto child = node->children.find(piece);
        if (child == node->children.end()) return nullptr;
        node = child->second.get();
    }
    return node;
}

Result<std::vector<Change>> tree_changes(const std::string& root, const std::vector<std::string>& lower) {
    LayerIndex index = TRY(LayerIndex::of(lower));
    std::vector<os::RootDirectory> roots;
    for (auto& path : lower) roots.push_back(TRY(os::RootDirectory::at(path, os::Scope::NoLinks)));
    os::Fd directory = TRY(os::open_file(root, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    TreeWalk walk(index, roots);
    TRY(walk.walk(directory.get(), &index.root(), "", 0));
    std::stable_sort(walk.changes.begin(), walk.changes.end(), [](auto& a, auto& b) { return a.path < b.path; });
    return std::move(walk.changes);
}

Result<uint64_t> changes_size(const std::string& root, const std::vector<Change>& changes) {
    auto tree = TRY(os::RootDirectory::at(root, os::Scope::NoLinks));
    std::set<ino_t> seen;
    uint64_t sum = 0;
    for (auto& change : changes) {
        if (change.kind == ChangeKind::Deleted) continue;
        auto st = tree.link_stat(os::PathInRoot(change.path));
        if (!st || !S_ISREG(st->st_mode)) continue;  // the container removed it meanwhile
        if (st->st_nlink < 2 || seen.insert(st->st_ino).second) sum += static_cast<uint64_t>(st->st_size);
    }
    return sum;
}

Result<void> copy_changes(const std::string& root, const std::vector<Change>& changes, const std::string& target) {
    std::unordered_set<std::string> wanted;
    for (auto& change : changes)
        if (change.kind != ChangeKind::Deleted) wanted.insert(change.path.substr(1));
    os::Fd from = TRY(os::open_file(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)), to = TRY(os::open_file(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    os::CopyOptions options;
    options.skip = [&](const std::string& path, bool) { return !wanted.contains(path); };
    TRY(os::TreeCopier(std::move(options)).copy_content(from.get(), to.get()));
    auto layer = TRY(os::RootDirectory::at(target, os::Scope::NoLinks));
    for (auto& change : changes) {
        if (change.kind != ChangeKind::Deleted) continue;
        os::PathInRoot path(change.path);
        auto parent = layer.open(path.parent(), O_RDONLY | O_DIRECTORY);
        if (!parent) continue;  // the container removed that too meanwhile
        struct stat st = TRY(os::descriptor_status(parent->get()));
        std::string name = concat(kWhiteout, path.name());
        os::Fd mark(::openat(parent->get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!mark) return fail_errno("create", concat("whiteout of ", change.path));
        timespec times[2] = {st.st_mtim, st.st_mtim};
        if (::futimens(mark.get(), times) < 0 || ::futimens(parent->get(), times) < 0) return fail_errno("utimens", change.path);
    }
    return {};
}

}  // namespace proa::store
