#include "store/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/log.h"
#include "base/text.h"

namespace proa::store {

namespace {
using codec::TarEntry;
using codec::TarType;

constexpr int64_t kLargestId = 0xfffffffe;  // 2^32-1 means "leave it" to chown(2)
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

/// Attributes that an archive must not set: overlayfs would act on them, and labels belong to this host's policy.
bool is_refused_attribute(std::string_view name) {
    return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == "security.selinux" ||
           name == "security.ima" || name == "security.evm" || name == "system.nfs4_acl";
}

timespec to_timespec(const codec::TarTime& time) { return {time.seconds, time.nanoseconds}; }

Unexpected refuse(const TarEntry& entry, std::string_view why) {
    return fail(ErrorKind::InvalidArgument, concat("layer entry ", quote(entry.name), ": ", why));
}
Unexpected fail_entry(const char* call, const TarEntry& entry) { return fail_errno(call, concat("layer entry ", quote(entry.name))); }

class Unpacker {
public:
    Unpacker(codec::Source& tar, const os::RootDirectory& root, const codec::TarLimits& limits, std::optional<LayerForm> form, ArchiveOptions options)
        : reader_(tar, limits), root_(root), form_(form), options_(std::move(options)) {}

    Result<Unpacked> run() {
        for (;;) {
            auto entry = TRY(reader_.next());
            if (!entry) break;
            result_.entries++;
            if (options_.owner) std::tie(entry->uid, entry->gid) = *options_.owner;
            TRY(unpack(*entry));
        }
        TRY(reader_.drain());
        TRY(set_directory_times());
        if (dropped_attributes_ > 0)
            log::warn(concat("layer: ", dropped_attributes_, " extended attributes were not set, the first is ", first_dropped_));
        return result_;
    }

private:
    Result<void> unpack(const TarEntry& entry) {
        auto clean = codec::clean_entry_name(entry.name);
        if (!clean) return refuse(entry, "leads out of the layer");
        if (options_.into) {
            if (clean->empty()) return {};
            clean = below_place(*clean);
        }
        size_t slash = clean->rfind('/');
        std::string parent = slash == std::string::npos ? "" : clean->substr(0, slash);
        std::string name = slash == std::string::npos ? *clean : clean->substr(slash + 1);
        if (entry.uid > kLargestId || entry.gid > kLargestId) return refuse(entry, "has an owner above 4294967294");
        if (name.empty()) return unpack_root(entry);
        if (form_ && name.starts_with(kWhiteoutPrefix)) return unpack_whiteout(entry, parent, name);
        TRY(enter(parent));
        if (options_.keep_kinds) TRY(check_kind(entry, *clean, name));
        switch (entry.type) {
            case TarType::Regular: return unpack_file(entry, name);
            case TarType::Directory: return unpack_directory(entry, *clean, name);
            case TarType::HardLink: return unpack_hard_link(entry, *clean, name);
            case TarType::Symlink: return unpack_symlink(entry, name);
            default: return unpack_node(entry, name);
        }
    }

    /// Makes parent_ the directory `path`, creating what is missing. The last one is kept open: archives go directory by directory.
    Result<void> enter(const std::string& path) {
        if (parent_ && path == parent_path_) return {};
        auto opened = root_.open(os::PathInRoot(path), O_PATH | O_DIRECTORY);
        if (!opened) opened = make_parents(path);
        if (!opened) return fail(std::move(opened).error().wrap(concat("layer directory ", quote(path))));
        parent_ = std::move(*opened);
        parent_path_ = path;
        return {};
    }

    Result<os::Fd> make_parents(const std::string& path) {
        std::string done;
        for (auto& piece : split(path, '/')) {
            os::PathInRoot prefix(done.empty() ? piece : concat(done, '/', piece));
            auto opened = root_.open(prefix, O_PATH | O_DIRECTORY);
            if (!opened) {
                os::Parent parent = TRY(root_.open_parent(prefix));
                if (opened.error().number() != ENOENT || TRY(root_.exists(prefix))) {
                    // Not a directory (a file, a dangling link, a whiteout of this layer) but something stands below it: the last wins.
                    TRY(os::remove_entry(parent.directory.get(), parent.name));
                    parent_.reset();
                }
                if (::mkdirat(parent.directory.get(), parent.name.c_str(), 0755) < 0) return fail_errno("mkdir", prefix.text());
                if (::fchmodat(parent.directory.get(), parent.name.c_str(), 0755, 0) < 0) return fail_errno("chmod", prefix.text());
                if (hidden_.contains(prefix.text())) TRY(make_opaque(prefix.text()));
            }
            done = prefix.text();
        }
        return root_.open(os::PathInRoot(path), O_PATH | O_DIRECTORY);
    }

    std::string below_place(const std::string& name) const { return options_.into->empty() ? name : concat(*options_.into, '/', name); }

    Result<void> check_kind(const TarEntry& entry, const std::string& path, const std::string& name) const {
        struct stat existing;
        if (::fstatat(parent_.get(), name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(existing.st_mode) == (entry.type == TarType::Directory)) return {};
        std::string_view was = S_ISDIR(existing.st_mode) ? "directory" : "non-directory", wanted = S_ISDIR(existing.st_mode) ? "non-directory" : "directory";
        return fail(ErrorKind::Internal, concat("cannot overwrite ", was, ' ', quote('/' + path), " with ", wanted, ' ', quote('/' + options_.into.value_or(""))), EEXIST);
    }

    /// Room for `name` in parent_: removes what an earlier entry put there.
    Result<void> clear(const TarEntry& entry, const std::string& name) {
        TRY_WRAP(concat("layer entry ", quote(entry.name)), os::remove_entry(parent_.get(), name));
        directory_times_.erase(join_name(name));
        return {};
    }
    std::string join_name(const std::string& name) const { return parent_path_.empty() ? name : concat(parent_path_, '/', name); }

    Result<void> unpack_root(const TarEntry& entry) {
        if (entry.type != TarType::Directory) return {};
        os::Fd directory = TRY(os::reopen(TRY(root_.open(os::PathInRoot(), O_RDONLY | O_DIRECTORY)).get(), O_RDONLY | O_DIRECTORY));
        TRY(set_metadata(directory.get(), entry));
        directory_times_[""] = entry.modified;
        return {};
    }

    /// In the place of what is there.
    Result<os::Fd> create_file(const TarEntry& entry, const std::string& name) {
        constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        os::Fd file(::openat(parent_.get(), name.c_str(), kFlags, 0600));
        if (!file && errno == EEXIST) {
            TRY(clear(entry, name));
            file = os::Fd(::openat(parent_.get(), name.c_str(), kFlags, 0600));
        }
        if (!file) return fail_entry("create", entry);
        return file;
    }

    Result<void> unpack_file(const TarEntry& entry, const std::string& name) {
        os::Fd file = TRY(create_file(entry, name));
        if (entry.sparse) TRY(write_sparse(entry, file.get()));
        else TRY(write_content(entry, file.get()));
        result_.size += entry.size;
        TRY(set_metadata(file.get(), entry));
        timespec times[2] = {to_timespec(entry.modified), to_timespec(entry.modified)};
        if (::futimens(file.get(), times) < 0) return fail_entry("utimens", entry);
        return {};
    }

    Result<void> write_content(const TarEntry& entry, int file) {
        for (;;) {
            std::string_view piece = TRY(reader_.stored());
            if (piece.empty()) return {};
            TRY_WRAP(concat("layer entry ", quote(entry.name)), os::write_all(file, piece));
        }
    }

    Result<void> write_sparse(const TarEntry& entry, int file) {
        size_t segment = 0;
        uint64_t inside = 0;
        for (;;) {
            std::string_view piece = TRY(reader_.stored());
            if (piece.empty()) break;
            while (!piece.empty()) {
                while (segment < entry.segments.size() && inside == entry.segments[segment].length) segment++, inside = 0;
                if (segment == entry.segments.size()) return refuse(entry, "more data than its sparse map says");
                std::string_view part = piece.substr(0, entry.segments[segment].length - inside);
                ssize_t put = ::pwrite(file, part.data(), part.size(), static_cast<off_t>(entry.segments[segment].offset + inside));
                if (put < 0) return fail_entry("write", entry);
                inside += static_cast<uint64_t>(put);
                piece.remove_prefix(static_cast<size_t>(put));
            }
        }
        if (::ftruncate(file, static_cast<off_t>(entry.size)) < 0) return fail_entry("truncate", entry);
        return {};
    }

    Result<void> unpack_directory(const TarEntry& entry, const std::string& path, const std::string& name) {
        if (::mkdirat(parent_.get(), name.c_str(), 0700) < 0) {
            if (errno != EEXIST) return fail_entry("mkdir", entry);
            struct stat existing;
            if (::fstatat(parent_.get(), name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) < 0) return fail_entry("stat", entry);
            if (!S_ISDIR(existing.st_mode)) {
                TRY(clear(entry, name));
                if (::mkdirat(parent_.get(), name.c_str(), 0700) < 0) return fail_entry("mkdir", entry);
            }
        }
        os::Fd directory(::openat(parent_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory) return fail_entry("open", entry);
        TRY(set_metadata(directory.get(), entry));
        if (hidden_.contains(path)) TRY(set_opaque(directory.get()));
        directory_times_[path] = entry.modified;
        return {};
    }

    Result<void> unpack_hard_link(const TarEntry& entry, const std::string& path, const std::string& name) {
        auto target = codec::clean_entry_name(entry.link_name);
        if (!target || target->empty()) return refuse(entry, concat("is a hard link to ", quote(entry.link_name), ", outside of the layer"));
        if (options_.into) target = below_place(*target);
        if (*target == path) return {};
        auto existing = root_.open_parent(os::PathInRoot(*target));
        if (!existing) return fail(std::move(existing).error().wrap(concat("layer entry ", quote(entry.name), ": hard link to ", quote(entry.link_name))));
        if (::linkat(existing->directory.get(), existing->name.c_str(), parent_.get(), name.c_str(), 0) == 0) return {};
        if (errno == EEXIST) {
            TRY(clear(entry, name));
            if (::linkat(existing->directory.get(), existing->name.c_str(), parent_.get(), name.c_str(), 0) == 0) return {};
        }
        return fail_errno("link", concat("layer entry ", quote(entry.name), " to ", quote(entry.link_name)));
    }

    Result<void> unpack_symlink(const TarEntry& entry, const std::string& name) {
        if (entry.link_name.empty()) return refuse(entry, "is a symbolic link to nothing");
        if (::symlinkat(entry.link_name.c_str(), parent_.get(), name.c_str()) < 0) {
            if (errno != EEXIST) return fail_entry("symlink", entry);
            TRY(clear(entry, name));
            if (::symlinkat(entry.link_name.c_str(), parent_.get(), name.c_str()) < 0) return fail_entry("symlink", entry);
        }
        return set_metadata_by_name(entry, name);
    }

    Result<void> unpack_node(const TarEntry& entry, const std::string& name) {
        mode_t type = entry.type == TarType::Fifo ? S_IFIFO : entry.type == TarType::BlockDevice ? S_IFBLK : S_IFCHR;
        dev_t device = type == S_IFIFO ? 0 : makedev(entry.device_major, entry.device_minor);
        // What overlayfs would take for a whiteout is one here too.
        if (form_ == LayerForm::Plain && type == S_IFCHR && device == 0) return write_mark(entry, concat(kWhiteoutPrefix, name));
        if (::mknodat(parent_.get(), name.c_str(), type | 0600, device) < 0) {
            if (errno != EEXIST) return fail_entry("mknod", entry);
            TRY(clear(entry, name));
            if (::mknodat(parent_.get(), name.c_str(), type | 0600, device) < 0) return fail_entry("mknod", entry);
        }
        return set_metadata_by_name(entry, name);
    }

    Result<void> unpack_whiteout(const TarEntry& entry, const std::string& parent, const std::string& name) {
        if (name == kOpaque) {
            TRY(enter(parent));
            return form_ == LayerForm::Plain ? write_mark(entry, name) : make_opaque(parent);
        }
        if (name.starts_with(kWhiteoutMeta)) return {};  // aufs' own bookkeeping: .wh..wh.plnk and friends
        std::string hidden = name.substr(kWhiteoutPrefix.size());
        if (hidden.empty() || hidden == "." || hidden == "..") return refuse(entry, "is no valid whiteout");
        TRY(enter(parent));
        if (form_ == LayerForm::Plain) return write_mark(entry, name);
        std::string path = join_name(hidden);
        hidden_.insert(path);
        if (::mknodat(parent_.get(), hidden.c_str(), S_IFCHR, 0) == 0) {
            timespec times[2] = {to_timespec(entry.modified), to_timespec(entry.modified)};
            if (::utimensat(parent_.get(), hidden.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return fail_entry("utimens", entry);
            return {};
        }
        if (errno != EEXIST) return fail_entry("mknod", entry);
        // This layer has an entry of that name: it stays, and already hides a lower one, except where directories would merge.
        struct stat existing;
        if (::fstatat(parent_.get(), hidden.c_str(), &existing, AT_SYMLINK_NOFOLLOW) < 0) return fail_entry("stat", entry);
        return S_ISDIR(existing.st_mode) ? make_opaque(path) : Result<void>();
    }

    /// An empty regular file, whatever the entry is.
    Result<void> write_mark(const TarEntry& entry, const std::string& name) {
        os::Fd file = TRY(create_file(entry, name));
        timespec times[2] = {to_timespec(entry.modified), to_timespec(entry.modified)};
        if (::futimens(file.get(), times) < 0) return fail_entry("utimens", entry);
        return {};
    }

    Result<void> make_opaque(const std::string& path) {
        os::Fd directory = TRY(root_.open(os::PathInRoot(path), O_RDONLY | O_DIRECTORY));
        return set_opaque(directory.get());
    }
    Result<void> set_opaque(int directory) {
        if (::fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) < 0) return fail_errno("setxattr", "trusted.overlay.opaque");
        return {};
    }

    /// Owner first (it clears set-id bits and capabilities), then mode, then attributes.
    Result<void> set_metadata(int fd, const TarEntry& entry) {
        if (::fchown(fd, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)) < 0) return fail_entry("chown", entry);
        if (::fchmod(fd, entry.mode) < 0) return fail_entry("chmod", entry);
        for (auto& [name, value] : entry.xattrs) {
            if (is_refused_attribute(name)) {
                drop_attribute(entry, name);
            } else if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) < 0) {
                if (errno != EOPNOTSUPP && errno != EPERM) return fail_entry("setxattr", entry);
                drop_attribute(entry, name);
            }
        }
        return {};
    }

    /// For symbolic links and special files, which cannot or must not be opened.
    Result<void> set_metadata_by_name(const TarEntry& entry, const std::string& name) {
        const char* c_name = name.c_str();
        if (::fchownat(parent_.get(), c_name, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), AT_SYMLINK_NOFOLLOW) < 0)
            return fail_entry("chown", entry);
        if (entry.type != TarType::Symlink && ::fchmodat(parent_.get(), c_name, entry.mode, 0) < 0) return fail_entry("chmod", entry);
        if (!entry.xattrs.empty()) {
            os::Fd link(::openat(parent_.get(), c_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
            if (!link) return fail_entry("open", entry);
            std::string path = concat("/proc/self/fd/", link.get());
            for (auto& [key, value] : entry.xattrs) {
                if (is_refused_attribute(key) || ::setxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) < 0)
                    drop_attribute(entry, key);
            }
        }
        timespec times[2] = {to_timespec(entry.modified), to_timespec(entry.modified)};
        if (::utimensat(parent_.get(), c_name, times, AT_SYMLINK_NOFOLLOW) < 0) return fail_entry("utimens", entry);
        return {};
    }

    void drop_attribute(const TarEntry& entry, const std::string& name) {
        if (dropped_attributes_++ == 0) first_dropped_ = concat(name, " of ", quote(entry.name));
    }

    /// Last, because every entry that was made in a directory touched its time.
    Result<void> set_directory_times() {
        for (auto& [path, time] : directory_times_) {
            auto directory = root_.open(os::PathInRoot(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            if (!directory) continue;  // replaced by a later entry
            timespec times[2] = {to_timespec(time), to_timespec(time)};
            if (::futimens(directory->get(), times) < 0) return fail_errno("utimens", path);
        }
        return {};
    }

    codec::TarReader reader_;
    const os::RootDirectory& root_;
    std::optional<LayerForm> form_;  // nullopt for an archive whose names mean nothing special
    ArchiveOptions options_;
    Unpacked result_;
    os::Fd parent_;
    std::string parent_path_;
    std::unordered_map<std::string, codec::TarTime> directory_times_;
    std::unordered_set<std::string> hidden_;  // what this layer's whiteouts name
    uint64_t dropped_attributes_ = 0;
    std::string first_dropped_;
};
}  // namespace

Result<Unpacked> unpack_layer(codec::Source& tar, const os::RootDirectory& root, LayerForm form, const codec::TarLimits& limits) {
    return Unpacker(tar, root, limits, form, {}).run();
}

Result<Unpacked> unpack_archive(codec::Source& tar, const os::RootDirectory& root, const codec::TarLimits& limits) {
    return Unpacker(tar, root, limits, std::nullopt, {}).run();
}

Result<Unpacked> unpack_archive_into(codec::Source& tar, const os::RootDirectory& root, ArchiveOptions options) {
    return Unpacker(tar, root, {}, std::nullopt, std::move(options)).run();
}

}  // namespace proa::store
