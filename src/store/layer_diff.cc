#include "store/layer_diff.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "codec/tar.h"
#include "os/file.h"
#include "os/path_in_root.h"

namespace proa::store {

namespace {
using codec::TarEntry;
using codec::TarType;

bool is_whiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

bool is_opaque(const std::string& path) {
    char value = 0;
    return ::lgetxattr(path.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

Result<std::string> read_attribute(const std::string& path, const std::string& name) {
    for (;;) {
        ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), nullptr, 0);
        if (size < 0) return fail_errno("getxattr", path);
        std::string value(static_cast<size_t>(size), '\0');
        size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (size < 0 && errno == ERANGE) continue;
        if (size < 0) return fail_errno("getxattr", path);
        value.resize(static_cast<size_t>(size));
        return value;
    }
}

Result<std::vector<std::pair<std::string, std::string>>> attributes_of(const std::string& path) {
    std::vector<std::pair<std::string, std::string>> attributes;
    std::string names(64 << 10, '\0');
    ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    if (size < 0 && errno == EOPNOTSUPP) return attributes;
    if (size < 0) return fail_errno("listxattr", path);
    names.resize(static_cast<size_t>(size));
    for (auto& name : split_nonempty(names, '\0')) {
        // overlayfs' own records and this host's labels do not belong into an image.
        if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == "security.selinux") continue;
        attributes.emplace_back(name, TRY(read_attribute(path, name)));
    }
    std::sort(attributes.begin(), attributes.end());
    return attributes;
}

class LayerWalk {
public:
    LayerWalk(std::string root, codec::Sink& out) : root_(std::move(root)), writer_(out) {}

    Result<uint64_t> run() {
        struct stat st = TRY(os::link_status(root_));
        if (is_opaque(root_)) TRY(add_empty(".wh..wh..opq", st));
        TRY(walk("", 0));
        TRY(writer_.finish());
        return size_;
    }

private:
    Result<void> walk(const std::string& directory, int depth) {
        if (depth > 1000) return fail(ErrorKind::InvalidArgument, concat("layer: ", directory, " is more than 1000 directories deep"));
        for (auto& name : TRY(os::list_directory(concat(root_, '/', directory)))) {
            std::string path = directory.empty() ? name : concat(directory, '/', name);
            struct stat st = TRY(os::link_status(concat(root_, '/', path)));
            if (is_whiteout(st)) {
                TRY(add_empty(directory.empty() ? concat(".wh.", name) : concat(directory, "/.wh.", name), st));
                continue;
            }
            TRY(add(path, st));
            if (!S_ISDIR(st.st_mode)) continue;
            if (is_opaque(concat(root_, '/', path))) TRY(add_empty(path + "/.wh..wh..opq", st));
            TRY(walk(path, depth + 1));
        }
        return {};
    }

    Result<void> add_empty(const std::string& name, const struct stat& st) {
        TarEntry entry;
        entry.name = name;
        entry.mode = 0600;
        entry.modified = {st.st_mtim.tv_sec, static_cast<int32_t>(st.st_mtim.tv_nsec)};
        return writer_.begin(entry);
    }

    Result<void> add(const std::string& name, const struct stat& st) {
        std::string path = concat(root_, '/', name);
        TarEntry entry;
        entry.name = name;
        entry.mode = st.st_mode & 07777;
        entry.uid = st.st_uid;
        entry.gid = st.st_gid;
        entry.modified = {st.st_mtim.tv_sec, static_cast<int32_t>(st.st_mtim.tv_nsec)};
        switch (st.st_mode & S_IFMT) {
            case S_IFREG: entry.type = TarType::Regular; break;
            case S_IFDIR: entry.type = TarType::Directory; break;
            case S_IFLNK: entry.type = TarType::Symlink; break;
            case S_IFIFO: entry.type = TarType::Fifo; break;
            case S_IFCHR: entry.type = TarType::CharDevice; break;
            case S_IFBLK: entry.type = TarType::BlockDevice; break;
            default: return {};  // sockets live with their process
        }
        if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
            auto [first, is_new] = inodes_.try_emplace(st.st_ino, name);
            if (!is_new) {
                entry.type = TarType::HardLink;
                entry.link_name = first->second;
                return writer_.begin(entry);
            }
        }
        entry.xattrs = TRY(attributes_of(path));
        if (entry.type == TarType::Symlink) entry.link_name = TRY(os::read_link(path));
        if (entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice) {
            entry.device_major = major(st.st_rdev);
            entry.device_minor = minor(st.st_rdev);
        }
        if (entry.type != TarType::Regular) return writer_.begin(entry);
        return add_file(path, entry, st);
    }

    Result<void> add_file(const std::string& path, TarEntry& entry, const struct stat& st) {
        os::Fd file = TRY(os::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        entry.size = static_cast<uint64_t>(st.st_size);
        size_ += entry.size;
        TRY(writer_.begin(entry));
        codec::FileRangeSource content(file.get(), 0, entry.size);
        for (;;) {
            std::string_view piece = TRY(content.pull());
            if (piece.empty()) return {};
            TRY(writer_.write(piece));
        }
    }

    std::string root_;
    codec::TarWriter writer_;
    std::map<ino_t, std::string> inodes_;
    uint64_t size_ = 0;
};

class ChangeWalk {
public:
    ChangeWalk(std::string upper, const std::vector<os::RootDirectory>& lower) : upper_(std::move(upper)), lower_(lower) {}
    std::vector<Change> changes;

    Result<void> walk(const std::string& directory, bool below_opaque, int depth) {
        if (depth > 1000) return fail(ErrorKind::InvalidArgument, "diff: more than 1000 directories deep");
        for (auto& name : TRY(os::list_directory(upper_ + directory))) {
            std::string path = concat(directory, '/', name);
            struct stat st = TRY(os::link_status(upper_ + path));
            auto below = below_opaque ? std::nullopt : TRY(find_below(path));
            if (is_whiteout(st)) {
                if (below) changes.push_back({ChangeKind::Deleted, path});
                continue;
            }
            bool opaque = S_ISDIR(st.st_mode) && is_opaque(upper_ + path);
            if (!below) changes.push_back({ChangeKind::Added, path});
            else if (!S_ISDIR(st.st_mode) || !S_ISDIR(below->st_mode) || differs(st, *below)) changes.push_back({ChangeKind::Modified, path});
            if (S_ISDIR(st.st_mode)) TRY(walk(path, below_opaque || opaque || !below, depth + 1));
        }
        return {};
    }

private:
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
            char value = 0;
            std::string by_fd = concat("/proc/self/fd/", opened->get());
            return ::getxattr(by_fd.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
        }
        return false;
    }

    std::string upper_;
    const std::vector<os::RootDirectory>& lower_;
};

Result<uint64_t> size_below(const std::string& path, std::set<ino_t>& seen, int depth) {
    uint64_t sum = 0;
    if (depth > 1000) return sum;
    auto names = os::list_directory(path);
    if (!names) return names.error().is(ErrorKind::NotFound) ? Result<uint64_t>(0) : fail(std::move(names).error());
    for (auto& name : *names) {
        std::string child = concat(path, '/', name);
        auto st = os::link_status(child);
        if (!st) continue;  // the container removed it meanwhile
        if (S_ISDIR(st->st_mode)) sum += TRY(size_below(child, seen, depth + 1));
        else if (S_ISREG(st->st_mode) && (st->st_nlink < 2 || seen.insert(st->st_ino).second)) sum += static_cast<uint64_t>(st->st_size);
    }
    return sum;
}
}  // namespace

Result<uint64_t> write_layer(const std::string& path, codec::Sink& out) { return LayerWalk(path, out).run(); }

Result<std::vector<Change>> layer_changes(const std::string& upper, const std::vector<std::string>& lower) {
    std::vector<os::RootDirectory> roots;
    for (auto& path : lower) roots.push_back(TRY(os::RootDirectory::at(path, os::Scope::NoLinks)));
    ChangeWalk walk(upper, roots);
    TRY(walk.walk("", is_opaque(upper), 0));
    return std::move(walk.changes);
}

Result<uint64_t> tree_size(const std::string& path) {
    std::set<ino_t> seen;
    return size_below(path, seen, 0);
}

}  // namespace proa::store
