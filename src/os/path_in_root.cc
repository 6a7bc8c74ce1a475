#include "os/path_in_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/text.h"

namespace proa::os {

namespace {
std::string_view without_trailing_slashes(std::string_view path) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
}

Error path_error(const char* call, const PathInRoot& path, int number) {
    Error error = errno_error(call, path.text().empty() ? "/" : path.text(), number);
    if (number == ENOTDIR || number == ELOOP || number == ENAMETOOLONG)
        return std::move(error).with_kind(ErrorKind::InvalidArgument);
    if (number == EXDEV) return std::move(error).with_kind(ErrorKind::Forbidden);
    return error;
}
Unexpected fail_path(const char* call, const PathInRoot& path) { return fail(path_error(call, path, errno)); }

uint64_t resolve_flags(Scope scope) {
    switch (scope) {
        case Scope::InRoot: return RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        case Scope::Beneath: return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        case Scope::NoLinks: return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    }
    return RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
}

Result<Fd> resolve_at(int directory, const char* name, const PathInRoot& path, int flags, mode_t mode, Scope scope) {
    open_how how{};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0;
    how.resolve = resolve_flags(scope);
    // EAGAIN: something was renamed while ".." was resolved. A hostile renamer must not keep us here for ever.
    for (int attempts = 0;;) {
        long fd = ::syscall(SYS_openat2, directory, name, &how, sizeof how);
        if (fd >= 0) return Fd(static_cast<int>(fd));
        if (errno == EINTR) continue;
        if (errno == EAGAIN && ++attempts < 256) continue;
        return fail_path("open", path);
    }
}
}  // namespace

std::string_view PathInRoot::name() const {
    std::string_view path = without_trailing_slashes(path_);
    size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

PathInRoot PathInRoot::parent() const {
    std::string_view path = without_trailing_slashes(path_);
    size_t slash = path.rfind('/');
    return PathInRoot(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + (slash == 0)));
}

PathInRoot PathInRoot::operator/(std::string_view child) const {
    return PathInRoot(concat(without_trailing_slashes(path_), '/', child));
}

Result<RootDirectory> RootDirectory::at(const std::string& path, Scope scope) {
    int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("open", path);
    return RootDirectory(Fd(fd), scope);
}

Result<Fd> RootDirectory::resolve(const PathInRoot& path, int flags, mode_t mode) const {
    // RESOLVE_BENEATH refuses absolute paths; to us a leading slash only means the root.
    std::string_view relative = path.text();
    while (relative.starts_with('/')) relative.remove_prefix(1);
    std::string name(relative.empty() ? std::string_view(".") : relative);
    if (name.find('\0') != std::string::npos)
        return fail(ErrorKind::InvalidArgument, concat("open ", quote(path.text()), ": the path holds a zero byte"), EINVAL);
    return resolve_at(directory_.get(), name.c_str(), path, flags, mode, scope_);
}

Result<Fd> RootDirectory::open(const PathInRoot& path, int flags, mode_t mode) const { return resolve(path, flags, mode); }

Result<Fd> RootDirectory::open_path(const PathInRoot& path, bool nofollow) const {
    return resolve(path, O_PATH | (nofollow ? O_NOFOLLOW : 0), 0);
}

Result<Fd> RootDirectory::open_regular(const PathInRoot& path) const {
    // Look first through O_PATH (which triggers no driver and no FIFO rendezvous), then open that very inode.
    Fd found = TRY(resolve(path, O_PATH, 0));
    struct stat st;
    if (::fstat(found.get(), &st) < 0) return fail_path("stat", path);
    if (!S_ISREG(st.st_mode)) return fail(ErrorKind::InvalidArgument, concat("open ", path.text(), ": not a regular file"));
    return reopen(found.get(), O_RDONLY | O_NOCTTY);
}

Result<Parent> RootDirectory::open_parent(const PathInRoot& path) const {
    std::string name(path.name());
    if (name.empty() || name == ".") {
        PathInRoot parent = path.parent();
        if (!parent.name().empty()) return open_parent(parent);
        return Parent{TRY(resolve(PathInRoot(), O_PATH | O_DIRECTORY, 0)), "."};
    }
    if (name == "..")
        return fail(ErrorKind::InvalidArgument, concat("open ", path.text(), ": the last component is \"..\""), EINVAL);
    return Parent{TRY(resolve(path.parent(), O_PATH | O_DIRECTORY, 0)), std::move(name)};
}

Result<RootDirectory> RootDirectory::open_root(const PathInRoot& path) const {
    return RootDirectory(TRY(resolve(path, O_PATH | O_DIRECTORY, 0)), scope_);
}

Result<struct stat> RootDirectory::stat(const PathInRoot& path) const {
    Fd found = TRY(resolve(path, O_PATH, 0));
    struct stat st;
    if (::fstat(found.get(), &st) < 0) return fail_path("stat", path);
    return st;
}

Result<struct stat> RootDirectory::link_stat(const PathInRoot& path) const {
    Fd found = TRY(resolve(path, O_PATH | O_NOFOLLOW, 0));
    struct stat st;
    if (::fstat(found.get(), &st) < 0) return fail_path("lstat", path);
    return st;
}

Result<bool> RootDirectory::exists(const PathInRoot& path) const {
    auto found = resolve(path, O_PATH | O_NOFOLLOW, 0);
    if (found) return true;
    if (found.error().number() == ENOENT || found.error().number() == ENOTDIR) return false;
    return fail(std::move(found).error());
}

Result<void> RootDirectory::make_directory(const PathInRoot& path, mode_t mode) const {
    Parent parent = TRY(open_parent(path));
    if (::mkdirat(parent.directory.get(), parent.name.c_str(), mode) < 0) return fail_path("mkdir", path);
    return {};
}

Result<Fd> RootDirectory::make_directories(const PathInRoot& path, mode_t mode) const {
    auto existing = resolve(path, O_PATH | O_DIRECTORY, 0);
    if (existing || existing.error().number() != ENOENT) return existing;
    std::vector<std::string> left = split_nonempty(path.text(), '/');
    std::string done;  // resolves to a directory
    int links = 0;
    for (size_t i = 0; i < left.size(); i++) {
        PathInRoot prefix(concat(done, '/', left[i]));
        auto found = resolve(prefix, O_PATH | O_DIRECTORY, 0);
        if (found || left[i] == "." || left[i] == "..") {
            if (!found) return found;
            done = prefix.text();
            continue;
        }
        if (found.error().number() != ENOENT) return found;
        Parent parent = TRY(open_parent(prefix));
        if (::mkdirat(parent.directory.get(), parent.name.c_str(), mode) == 0) {
            done = prefix.text();
            continue;
        }
        if (errno != EEXIST) return fail_path("mkdir", prefix);
        // The name exists and yet leads nowhere: a dangling symbolic link, or another maker was faster.
        char target[PATH_MAX];
        ssize_t length = ::readlinkat(parent.directory.get(), parent.name.c_str(), target, sizeof target);
        if (length < 0 || scope_ != Scope::InRoot) {
            if (length < 0 && errno == EINVAL && ++links <= 40) {
                i--;
                continue;
            }
            return fail(path_error("mkdir", prefix, EEXIST));
        }
        if (++links > 40) return fail(path_error("mkdir", prefix, ELOOP));
        std::string_view link(target, static_cast<size_t>(length));
        if (link.starts_with('/')) done.clear();
        std::vector<std::string> rest = split_nonempty(link, '/');
        rest.insert(rest.end(), left.begin() + static_cast<ptrdiff_t>(i) + 1, left.end());
        left = std::move(rest);
        i = static_cast<size_t>(-1);
    }
    return resolve(PathInRoot(done), O_PATH | O_DIRECTORY, 0);
}

Result<void> RootDirectory::make_node(const PathInRoot& path, mode_t mode_and_type, dev_t device) const {
    Parent parent = TRY(open_parent(path));
    if (::mknodat(parent.directory.get(), parent.name.c_str(), mode_and_type, device) < 0) return fail_path("mknod", path);
    return {};
}

Result<void> RootDirectory::make_symlink(const std::string& target, const PathInRoot& path) const {
    Parent parent = TRY(open_parent(path));
    if (::symlinkat(target.c_str(), parent.directory.get(), parent.name.c_str()) < 0) return fail_path("symlink", path);
    return {};
}

Result<void> RootDirectory::make_link(const PathInRoot& existing, const PathInRoot& path) const {
    Parent from = TRY(open_parent(existing));
    Parent to = TRY(open_parent(path));
    if (::linkat(from.directory.get(), from.name.c_str(), to.directory.get(), to.name.c_str(), 0) < 0)
        return fail_path("link", path);
    return {};
}

Result<Fd> RootDirectory::ensure_file(const PathInRoot& path, mode_t mode) const {
    auto found = resolve(path, O_PATH, 0);
    if (found || found.error().number() != ENOENT) return found;
    Fd created = TRY(resolve(path, O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, mode));
    return reopen(created.get(), O_PATH);
}

Result<std::string> RootDirectory::read_link(const PathInRoot& path) const {
    Fd link = TRY(resolve(path, O_PATH | O_NOFOLLOW, 0));
    char target[PATH_MAX];
    ssize_t length = ::readlinkat(link.get(), "", target, sizeof target);
    if (length < 0) return fail_path("readlink", path);
    return std::string(target, static_cast<size_t>(length));
}

Result<std::string> RootDirectory::read_file(const PathInRoot& path, size_t limit) const {
    Fd file = TRY(open_regular(path));
    return TRY_WRAP(concat("read ", path.text()), read_to_end(file.get(), limit));
}

Result<void> RootDirectory::write_file(const PathInRoot& path, std::string_view content, mode_t mode) const {
    Fd file = TRY(resolve(path, O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, mode));
    struct stat st;
    if (::fstat(file.get(), &st) < 0) return fail_path("stat", path);
    if (!S_ISREG(st.st_mode)) return fail(ErrorKind::InvalidArgument, concat("write ", path.text(), ": not a regular file"));
    if (::ftruncate(file.get(), 0) < 0) return fail_path("truncate", path);
    TRY_WRAP(concat("write ", path.text()), write_all(file.get(), content));
    return {};
}

Result<void> RootDirectory::rename(const PathInRoot& from, const PathInRoot& to) const {
    Parent source = TRY(open_parent(from));
    Parent target = TRY(open_parent(to));
    if (::renameat(source.directory.get(), source.name.c_str(), target.directory.get(), target.name.c_str()) < 0)
        return fail_path("rename", from);
    return {};
}

Result<void> RootDirectory::remove(const PathInRoot& path) const {
    auto parent = open_parent(path);
    if (!parent) {
        if (parent.error().number() == ENOENT) return {};
        return fail(std::move(parent).error());
    }
    if (::unlinkat(parent->directory.get(), parent->name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_path("unlink", path);
    if (::unlinkat(parent->directory.get(), parent->name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
        return fail_path("rmdir", path);
    return {};
}

Result<void> RootDirectory::remove_tree(const PathInRoot& path) const {
    auto parent = open_parent(path);
    if (!parent) {
        if (parent.error().number() == ENOENT) return {};
        return fail(std::move(parent).error());
    }
    if (parent->name == ".") return fail(ErrorKind::InvalidArgument, "remove /: the root itself", EINVAL);
    return remove_entry(parent->directory.get(), parent->name);
}

Result<void> remove_entry(int directory, const std::string& name, int depth) {
    if (depth > 2000) return fail(ErrorKind::InvalidArgument, concat("remove ", name, ": more than 2000 levels"));
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return fail_errno("unlink", name);
    struct stat outer, inner;
    int fd = ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open", name);
    if (::fstat(directory, &outer) < 0 || ::fstat(fd, &inner) < 0 || outer.st_dev != inner.st_dev) {
        ::close(fd);
        return fail(ErrorKind::Conflict, concat("remove ", name, ": it is a mount point"), EBUSY);
    }
    DIR* entries = ::fdopendir(fd);
    if (!entries) {
        ::close(fd);
        return fail_errno("opendir", name);
    }
    Result<void> done;
    while (dirent* entry = ::readdir(entries)) {
        std::string_view child = entry->d_name;
        if (child == "." || child == "..") continue;
        done = remove_entry(fd, std::string(child), depth + 1);
        if (!done) break;
    }
    ::closedir(entries);
    if (!done) return done;
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) return fail_errno("rmdir", name);
    return {};
}

Result<Fd> reopen(int fd, int flags) {
    if (flags & O_PATH) return duplicate(fd);
    // Our own /proc, with a number we made: the one magic link that is followed on purpose.
    std::string path = concat("/proc/self/fd/", fd);
    int opened = ::open(path.c_str(), flags | O_CLOEXEC);
    if (opened < 0) return fail_errno("open", path);
    return Fd(opened);
}

}  // namespace proa::os
