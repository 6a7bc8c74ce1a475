#include "store/layer_diff.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <set>

#include "base/text.h"
#include "codec/tar_tree.h"
#include "os/directory.h"
#include "os/file.h"
#include "os/path_in_root.h"

namespace proa::store {

namespace {
bool is_whiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

Result<bool> is_opaque(int directory) { return TRY(os::read_attribute(directory, "trusted.overlay.opaque")) == "y"; }

/// By descriptors: the upper directory may be a running container's.
class ChangeWalk {
public:
    explicit ChangeWalk(const std::vector<os::RootDirectory>& lower) : lower_(lower) {}
    std::vector<Change> changes;

    Result<void> walk(int upper, const std::string& directory, bool below_opaque, int depth) {
        if (depth > 1000) return fail(ErrorKind::InvalidArgument, "diff: more than 1000 directories deep");
        for (auto& name : TRY(os::list_entries(upper))) {
            auto entry = os::open_entry(upper, name, O_PATH);
            if (!entry) continue;  // the container removed it meanwhile
            TRY(look_at(entry->get(), concat(directory, '/', name), below_opaque, depth));
        }
        return {};
    }

private:
    Result<void> look_at(int entry, const std::string& path, bool below_opaque, int depth) {
        struct stat st = TRY(os::descriptor_status(entry));
        auto below = below_opaque ? std::nullopt : TRY(find_below(path));
        if (is_whiteout(st)) {
            if (below) changes.push_back({ChangeKind::Deleted, path});
            return {};
        }
        if (!below) changes.push_back({ChangeKind::Added, path});
        else if (!S_ISDIR(st.st_mode) || !S_ISDIR(below->st_mode) || differs(st, *below)) changes.push_back({ChangeKind::Modified, path});
        if (!S_ISDIR(st.st_mode)) return {};
        return walk(entry, path, below_opaque || !below || TRY(is_opaque(entry)), depth + 1);
    }

    static bool differs(const struct stat& a, const struct stat& b) {
        return a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_mtim.tv_sec != b.st_mtim.tv_sec ||
               a.st_mtim.tv_nsec != b.st_mtim.tv_nsec;
    }

    /// What the container saw there without the upper directory.
    Result<std::optional<struct stat>> find_below(const std::string& path) const {
        for (auto& root : lower_) {
            auto found = root.link_stat(os::PathInRoot(path));
            if (found) return is_whiteout(*found) ? std::optional<struct stat>() : std::optional<struct stat>(*found);
            // A parent that is a file, a whiteout or opaque in this layer hides everything below.
            if (found.error().number() != ENOENT) return std::optional<struct stat>();
            if (hides_below(root, path)) return std::optional<struct stat>();
        }
        return std::optional<struct stat>();
    }

    static bool hides_below(const os::RootDirectory& root, const std::string& path) {
        for (os::PathInRoot parent = os::PathInRoot(path).parent(); !parent.name().empty(); parent = parent.parent()) {
            auto opened = root.open(parent, O_PATH | O_NOFOLLOW);
            if (!opened) continue;
            return is_opaque(opened->get()).value_or(false);
        }
        return false;
    }

    const std::vector<os::RootDirectory>& lower_;
};

enum class Count { Content, Blocks };

Result<uint64_t> size_below(int directory, Count count, std::set<ino_t>& seen, int depth) {
    uint64_t sum = 0;
    if (depth > 1000) return sum;
    for (auto& name : TRY(os::list_entries(directory))) {
        auto st = os::entry_status(directory, name);
        if (!st) continue;  // the container removed it meanwhile
        if (count == Count::Blocks && (S_ISDIR(st->st_mode) || st->st_nlink < 2 || seen.insert(st->st_ino).second))
            sum += static_cast<uint64_t>(st->st_blocks) * 512;
        if (S_ISDIR(st->st_mode)) {
            auto child = os::open_entry(directory, name, O_PATH | O_DIRECTORY);
            if (child) sum += TRY(size_below(child->get(), count, seen, depth + 1));
        } else if (count == Count::Blocks) {
            continue;
        } else if (S_ISREG(st->st_mode) && (st->st_nlink < 2 || seen.insert(st->st_ino).second)) {
            sum += static_cast<uint64_t>(st->st_size);
        }
    }
    return sum;
}
}  // namespace

Result<uint64_t> write_layer(const std::string& path, codec::Sink& out) {
    os::Fd directory = TRY(os::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    codec::TarWriter tar(out);
    codec::TarTreeWriter tree(tar, codec::TarTreeWriter::Form::Layer);
    TRY(tree.add_contents(directory.get(), ""));
    TRY(tar.finish());
    return tree.bytes();
}

Result<std::vector<Change>> layer_changes(const std::string& upper, const std::vector<std::string>& lower) {
    std::vector<os::RootDirectory> roots;
    for (auto& path : lower) roots.push_back(TRY(os::RootDirectory::at(path, os::Scope::NoLinks)));
    os::Fd directory = TRY(os::open_file(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    ChangeWalk walk(roots);
    TRY(walk.walk(directory.get(), "", TRY(is_opaque(directory.get())), 0));
    return std::move(walk.changes);
}

namespace {
Result<uint64_t> size_of(const std::string& path, Count count) {
    auto directory = os::open_file(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return directory.error().is(ErrorKind::NotFound) ? Result<uint64_t>(0) : fail(std::move(directory).error());
    std::set<ino_t> seen;
    return size_below(directory->get(), count, seen, 0);
}
}  // namespace

Result<uint64_t> tree_size(const std::string& path) { return size_of(path, Count::Content); }

Result<uint64_t> tree_disk_size(const std::string& path) { return size_of(path, Count::Blocks); }

}  // namespace proa::store
