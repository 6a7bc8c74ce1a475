#include "os/copy_tree.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <vector>

#include "base/text.h"
#include "os/directory.h"
#include "os/file.h"

namespace proa::os {

namespace {
constexpr int kDepthMax = 1000;

std::string by_fd(int fd) { return concat("/proc/self/fd/", fd); }

/// The bytes from `at` to `end`, or to the end of the file when that comes first.
Result<void> copy_range(int from, int to, off_t at, off_t end, const std::string& name) {
    while (at < end) {
        off_t in = at, out = at;
        ssize_t moved = ::copy_file_range(from, &in, to, &out, static_cast<size_t>(end - at), 0);
        if (moved == 0) return {};
        if (moved > 0) at += moved;
        else if (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS) break;
        else if (errno != EINTR) return fail_errno("copy", name);
    }
    std::vector<char> buffer;
    while (at < end) {
        buffer.resize(256 << 10);
        ssize_t got = ::pread(from, buffer.data(), std::min(buffer.size(), static_cast<size_t>(end - at)), at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("read", name);
        if (got == 0) return {};
        for (ssize_t done = 0; done < got;) {
            ssize_t put = ::pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), at + done);
            if (put < 0 && errno != EINTR) return fail_errno("write", name);
            if (put > 0) done += put;
        }
        at += got;
    }
    return {};
}

/// What is a hole stays one.
Result<void> copy_bytes(int from, int to, const struct stat& st, const std::string& name) {
    if (st.st_blocks * 512 >= st.st_size) return copy_range(from, to, 0, std::numeric_limits<off_t>::max(), name);
    for (off_t at = 0; at < st.st_size;) {
        off_t data = ::lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        if (data < 0) data = at;  // a file system that knows no holes
        off_t hole = ::lseek(from, data, SEEK_HOLE);
        if (hole < 0) hole = st.st_size;
        TRY(copy_range(from, to, data, hole, name));
        at = hole;
    }
    if (::ftruncate(to, st.st_size) < 0) return fail_errno("truncate", name);
    return {};
}

/// Extended attributes but those of overlayfs; both ends by O_PATH descriptors of entries that are no symbolic links.
Result<void> copy_attributes(int from, int to, const std::string& name) {
    char names[16384];
    std::string source = by_fd(from), target = by_fd(to);
    ssize_t length = ::listxattr(source.c_str(), names, sizeof names);
    if (length <= 0) return {};
    for (auto& attribute : split_nonempty(std::string_view(names, static_cast<size_t>(length)), '\0')) {
        if (attribute.starts_with("trusted.overlay.") || attribute.starts_with("user.overlay.") || attribute == "security.selinux") continue;
        std::string value(65536, '\0');
        ssize_t size = ::getxattr(source.c_str(), attribute.c_str(), value.data(), value.size());
        if (size < 0) return fail_errno("getxattr", name);
        if (::setxattr(target.c_str(), attribute.c_str(), value.data(), static_cast<size_t>(size), 0) < 0) return fail_errno("setxattr", name);
    }
    return {};
}
}  // namespace

Result<void> TreeCopier::copy(int from, const std::string& name, int to, const std::string& to_name) { return copy_entry(from, name, to, to_name, "", 0); }

Result<void> TreeCopier::copy_content(int from, int to) { return copy_entries(from, to, "", 0); }

Result<void> TreeCopier::copy_entry(int from, const std::string& name, int to, const std::string& to_name, const std::string& path, int depth) {
    if (depth > kDepthMax) return fail(ErrorKind::InvalidArgument, concat("copy: ", path, " is more than 1000 directories deep"));
    struct stat st;
    if (::fstatat(from, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("stat", path.empty() ? name : path);
    if (S_ISSOCK(st.st_mode)) return {};
    if (S_ISDIR(st.st_mode)) return copy_directory(from, name, to, to_name, path, st, depth);
    struct stat old;
    if (::fstatat(to, to_name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(old.st_mode)) TRY(remove_entry(to, to_name));
        else if (::unlinkat(to, to_name.c_str(), 0) < 0) return fail_errno("unlink", to_name);
    }
    if (st.st_nlink > 1) {
        auto first = links_.find({st.st_dev, st.st_ino});
        if (first != links_.end()) {
            if (::linkat(first->second.directory.get(), first->second.name.c_str(), to, to_name.c_str(), 0) == 0) return {};
            if (errno != EMLINK && errno != EXDEV) return fail_errno("link", to_name);
        } else {
            links_.emplace(std::pair(st.st_dev, st.st_ino), Linked{TRY(duplicate(to)), to_name});
        }
    }
    if (S_ISREG(st.st_mode)) return copy_file(from, name, to, to_name, st);
    if (S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t length = ::readlinkat(from, name.c_str(), target, sizeof target - 1);
        if (length < 0) return fail_errno("readlink", name);
        target[length] = '\0';
        if (::symlinkat(target, to, to_name.c_str()) < 0) return fail_errno("symlink", to_name);
    } else if (::mknodat(to, to_name.c_str(), st.st_mode, st.st_rdev) < 0) {
        return fail_errno("mknod", to_name);
    }
    return set_attributes(from, name, to, to_name, st);
}

Result<void> TreeCopier::copy_directory(int from, const std::string& name, int to, const std::string& to_name, const std::string& path, const struct stat& st,
                                        int depth) {
    bool made = ::mkdirat(to, to_name.c_str(), 0700) == 0;
    if (!made) {
        if (errno != EEXIST) return fail_errno("mkdir", to_name);
        struct stat old;
        if (::fstatat(to, to_name.c_str(), &old, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("stat", to_name);
        if (!S_ISDIR(old.st_mode)) return fail(ErrorKind::Conflict, concat("cannot copy to non-directory: ", to_name));
    }
    Fd source(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) return fail_errno("open", path.empty() ? name : path);
    Fd target(::openat(to, to_name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!target) return fail_errno("open", to_name);
    TRY(copy_entries(source.get(), target.get(), path, depth));
    if (!made && depth == 0) return {};
    return set_attributes(from, name, to, to_name, st);
}

Result<void> TreeCopier::copy_entries(int from, int to, const std::string& path, int depth) {
    for (auto& name : TRY(list_directory(by_fd(from)))) {
        std::string below = path.empty() ? name : concat(path, '/', name);
        if (options_.skip) {
            struct stat st;
            if (::fstatat(from, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("stat", below);
            if (options_.skip(below, S_ISDIR(st.st_mode))) continue;
        }
        TRY(copy_entry(from, name, to, name, below, depth + 1));
    }
    return {};
}

Result<void> TreeCopier::copy_file(int from, const std::string& name, int to, const std::string& to_name, const struct stat& st) {
    // Looked at again before it is opened for reading: in a tree that is in use a device may have come into its place.
    Fd found = TRY(open_entry(from, name, O_PATH));
    if (!S_ISREG(TRY(descriptor_status(found.get())).st_mode))
        return fail(ErrorKind::Conflict, concat(name, " became another kind of file while it was copied"));
    Fd source = TRY_WRAP(std::string_view(name), reopen(found.get(), O_RDONLY));
    Fd target(::openat(to, to_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!target) return fail_errno("create", to_name);
    TRY(copy_bytes(source.get(), target.get(), st, name));
    target.reset();
    return set_attributes(from, name, to, to_name, st);
}

Result<void> TreeCopier::set_attributes(int from, const std::string& name, int to, const std::string& to_name, const struct stat& st) {
    auto owner = options_.owner.value_or(std::pair<uint32_t, uint32_t>(st.st_uid, st.st_gid));
    if (::fchownat(to, to_name.c_str(), owner.first, owner.second, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("chown", to_name);
    bool link = S_ISLNK(st.st_mode);
    if (!link) {
        mode_t mode = st.st_mode & 07777;
        if (options_.mode) mode = options_.mode(mode, S_ISDIR(st.st_mode));
        if (::fchmodat(to, to_name.c_str(), mode, 0) < 0) return fail_errno("chmod", to_name);
        Fd source, target;
        if (options_.attributes) {
            source = Fd(::openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
            target = Fd(::openat(to, to_name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        }
        if (source && target) TRY(copy_attributes(source.get(), target.get(), name));
    }
    timespec times[2] = {st.st_mtim, st.st_mtim};
    if (options_.latest_seconds && st.st_mtim.tv_sec > *options_.latest_seconds) times[0] = times[1] = {static_cast<time_t>(*options_.latest_seconds), 0};
    if (::utimensat(to, to_name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set times of", to_name);
    return {};
}

}  // namespace proa::os
