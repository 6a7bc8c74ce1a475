#include "volume/copy_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/text.h"
#include "os/path_in_root.h"

namespace proa::volume {

namespace {

constexpr int kLevelsMax = 1000;  // each holds three descriptors

using Inode = std::pair<dev_t, ino_t>;

/// Calls `visit` with each name in `directory`, "." and ".." left out.
Result<void> for_each_name(int directory, const std::function<Result<void>(const char*)>& visit) {
    int scan = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* entries = scan < 0 ? nullptr : ::fdopendir(scan);
    if (!entries) {
        if (scan >= 0) ::close(scan);
        return fail_errno("opendir");
    }
    Result<void> done;
    errno = 0;
    while (dirent* entry = ::readdir(entries)) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") done = visit(entry->d_name);
        if (!done) break;
        errno = 0;
    }
    if (done && errno != 0) done = fail_errno("readdir");
    ::closedir(entries);
    return done;
}

class TreeCopy {
public:
    TreeCopy(os::RootDirectory target, dev_t device, Keep keep) : target_(std::move(target)), device_(device), keep_(keep) {}

    Result<void> directory(int from, int to, const struct stat& st, const char* name, int level) {
        if (level > kLevelsMax) return fail(ErrorKind::InvalidArgument, concat("more than ", kLevelsMax, " directory levels"));
        TRY(for_each_name(from, [&](const char* entry) { return copy_entry(from, to, entry, level); }));
        return attributes(from, to, st, name);  // last: the entries changed the times
    }

private:
    Result<void> copy_entry(int from, int to, const char* name, int level) {
        struct stat st;
        if (::fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? Result<void>() : fail_errno("stat", name);
        if (S_ISDIR(st.st_mode)) return copy_directory(from, to, name, st, level);
        if (st.st_nlink > 1) {
            auto known = links_.find({st.st_dev, st.st_ino});
            if (known != links_.end()) {
                // By a path that follows no link: the copy may be in use already, and what stands there may have been swapped.
                os::Fd first = TRY(target_.open_path(os::PathInRoot(known->second), true));
                return ::linkat(first.get(), "", to, name, AT_EMPTY_PATH) == 0 ? Result<void>() : fail_errno("link", name);
            }
        }
        if (S_ISREG(st.st_mode)) TRY(copy_file(from, to, name, st));
        else if (S_ISLNK(st.st_mode)) TRY(copy_symlink(from, to, name, st));
        else if (keep_ == Keep::All) TRY(copy_node(to, name, st));
        else return {};
        if (st.st_nlink > 1) links_.emplace(Inode(st.st_dev, st.st_ino), concat(path_, '/', std::string_view(name)));
        return {};
    }

    Result<void> copy_directory(int from, int to, const char* name, const struct stat& st, int level) {
        if (st.st_dev != device_) return {};  // a mount in the tree is not part of it
        os::Fd source(::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!source) return fail_errno("open", name);
        if (::mkdirat(to, name, 0700) < 0) return fail_errno("mkdir", name);
        os::Fd target(::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!target) return fail_errno("open", name);
        size_t length = path_.size();
        path_ += concat('/', std::string_view(name));
        auto copied = directory(source.get(), target.get(), st, name, level + 1);
        path_.resize(length);
        return copied;
    }

    Result<void> copy_file(int from, int to, const char* name, const struct stat& before) {
        os::Fd source(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME));
        if (!source) source = os::Fd(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!source) return fail_errno("open", name);
        struct stat st;
        if (::fstat(source.get(), &st) < 0) return fail_errno("stat", name);
        if (!S_ISREG(st.st_mode)) return fail(ErrorKind::Conflict, concat(std::string_view(name), " changed while it was copied"));
        os::Fd target(::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!target) return fail_errno("create", name);
        if (::ioctl(target.get(), FICLONE, source.get()) < 0) TRY_WRAP(std::string_view(name), copy_content(source.get(), target.get(), st.st_size));
        return attributes(source.get(), target.get(), before, name);
    }

    /// Data only; what is a hole stays one, so that a huge sparse file costs nothing.
    Result<void> copy_content(int from, int to, off_t size) {
        for (off_t at = 0; at < size;) {
            off_t data = ::lseek(from, at, SEEK_DATA);
            if (data < 0 && errno == ENXIO) break;
            if (data < 0) data = at;
            off_t hole = ::lseek(from, data, SEEK_HOLE);
            if (hole < 0) hole = size;
            TRY(copy_range(from, to, data, hole));
            at = hole;
        }
        if (::ftruncate(to, size) < 0) return fail_errno("ftruncate");
        return {};
    }

    Result<void> copy_range(int from, int to, off_t at, off_t end) {
        while (at < end) {
            loff_t in = at, out = at;
            ssize_t got = ::copy_file_range(from, &in, to, &out, static_cast<size_t>(end - at), 0);
            if (got < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS || errno == EBADF)) {
                buffer_.resize(256 << 10);
                got = ::pread(from, buffer_.data(), std::min(buffer_.size(), static_cast<size_t>(end - at)), at);
                for (ssize_t written = 0; got > 0 && written < got;) {
                    ssize_t step = ::pwrite(to, buffer_.data() + written, static_cast<size_t>(got - written), at + written);
                    if (step < 0) return fail_errno("write");
                    written += step;
                }
            }
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail_errno("read");
            if (got == 0) return {};  // it has become shorter
            at += got;
        }
        return {};
    }

    Result<void> copy_symlink(int from, int to, const char* name, const struct stat& st) {
        char target[PATH_MAX];
        ssize_t length = ::readlinkat(from, name, target, sizeof target - 1);
        if (length < 0) return fail_errno("readlink", name);
        target[length] = '\0';
        if (::symlinkat(target, to, name) < 0) return fail_errno("symlink", name);
        return own_and_date(to, name, st);
    }

    Result<void> copy_node(int to, const char* name, const struct stat& st) {
        if (::mknodat(to, name, st.st_mode & (S_IFMT | 07777), st.st_rdev) < 0) return fail_errno("mknod", name);
        return own_and_date(to, name, st);
    }

    Result<void> own_and_date(int to, const char* name, const struct stat& st) {
        if (::fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("chown", name);
        timespec times[2] = {st.st_atim, st.st_mtim};
        if (::utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set times of", name);
        return {};
    }

    Result<void> attributes(int from, int to, const struct stat& st, const char* name) {
        if (::fchown(to, st.st_uid, st.st_gid) < 0) return fail_errno("chown", name);
        if (::fchmod(to, st.st_mode & 07777) < 0) return fail_errno("chmod", name);
        TRY(extended_attributes(from, to, name));
        timespec times[2] = {st.st_atim, st.st_mtim};
        if (::futimens(to, times) < 0) return fail_errno("set times of", name);
        return {};
    }

    Result<void> extended_attributes(int from, int to, const char* name) {
        ssize_t length = ::flistxattr(from, nullptr, 0);
        if (length <= 0) return {};
        std::vector<char> names(static_cast<size_t>(length) + 256), value;
        length = ::flistxattr(from, names.data(), names.size() - 1);
        if (length < 0) return fail_errno("listxattr", name);
        names[static_cast<size_t>(length)] = '\0';
        for (char* key = names.data(); key < names.data() + length; key += strlen(key) + 1) {
            if (std::string_view(key).starts_with("trusted.overlay.")) continue;  // of the file system below
            ssize_t size = ::fgetxattr(from, key, nullptr, 0);
            if (size < 0) continue;  // taken away meanwhile
            value.resize(static_cast<size_t>(size));
            size = ::fgetxattr(from, key, value.data(), value.size());
            // Not every file system keeps every kind of attribute: containerd's copy leaves out what cannot be set, too.
            if (size >= 0 && ::fsetxattr(to, key, value.data(), static_cast<size_t>(size), 0) < 0 && errno != EOPNOTSUPP && errno != EPERM)
                return fail_errno("setxattr", concat(std::string_view(key), " of ", std::string_view(name)));
        }
        return {};
    }

    os::RootDirectory target_;
    dev_t device_;
    Keep keep_;
    std::string path_;                   ///< of the directory that is being copied, below the root
    std::map<Inode, std::string> links_;  ///< where the first of several hard links was copied to
    std::vector<char> buffer_;
};

Result<void> add_sizes(int directory, dev_t device, std::set<Inode>& counted, int64_t& sum, int level) {
    if (level > kLevelsMax) return {};
    return for_each_name(directory, [&](const char* name) -> Result<void> {
        struct stat st;
        if (::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return {};  // gone meanwhile
        if (S_ISDIR(st.st_mode)) {
            if (st.st_dev != device) return {};
            os::Fd inner(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            return inner ? add_sizes(inner.get(), device, counted, sum, level + 1) : Result<void>();
        }
        if (st.st_nlink == 1 || counted.insert({st.st_dev, st.st_ino}).second) sum += st.st_size;
        return {};
    });
}

Result<void> own_entry(int directory, const char* name, const struct stat& st, uint32_t uid, uint32_t gid) {
    if (st.st_uid == uid && st.st_gid == gid) return {};
    int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (::fchownat(directory, name, uid, gid, flags) < 0 && errno != ENOENT) return fail_errno("chown", name);
    return {};
}

Result<void> own_entries(int directory, dev_t device, uint32_t uid, uint32_t gid, int level) {
    if (level > kLevelsMax) return fail(ErrorKind::InvalidArgument, concat("more than ", kLevelsMax, " directory levels"));
    return for_each_name(directory, [&](const char* name) -> Result<void> {
        struct stat st;
        if (::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return {};  // gone meanwhile
        if (S_ISDIR(st.st_mode)) {
            if (st.st_dev != device) return {};
            os::Fd inner(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (inner) TRY(own_entries(inner.get(), device, uid, gid, level + 1));
        }
        return own_entry(directory, name, st, uid, gid);
    });
}

}  // namespace

Result<void> change_owner(int file, uint32_t uid, uint32_t gid) {
    struct stat st;
    if (::fstat(file, &st) < 0) return fail_errno("stat");
    if (S_ISDIR(st.st_mode)) TRY(own_entries(file, st.st_dev, uid, gid, 0));
    return own_entry(file, "", st, uid, gid);
}

Result<void> copy_tree(int from, int to, Keep keep) {
    struct stat st;
    if (::fstat(from, &st) < 0) return fail_errno("stat");
    TreeCopy copy(os::RootDirectory(TRY(os::duplicate(to)), os::Scope::NoLinks), st.st_dev, keep);
    return copy.directory(from, to, st, "the directory itself", 0);
}

Result<int64_t> tree_size(int directory) {
    struct stat st;
    if (::fstat(directory, &st) < 0) return fail_errno("stat");
    std::set<Inode> counted;
    int64_t sum = 0;
    TRY(add_sizes(directory, st.st_dev, counted, sum, 0));
    return sum;
}

}  // namespace proa::volume
