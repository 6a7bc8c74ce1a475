#include "os/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace proa::os {

namespace {
/// Our own /proc with a number of ours: also an O_PATH descriptor's attributes can be reached so, a symbolic link's too.
std::string by_descriptor(int fd) { return concat("/proc/self/fd/", fd); }
}  // namespace

Result<std::vector<std::string>> list_entries(int directory) {
    int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("open", "directory");
    DIR* stream = ::fdopendir(fd);
    if (!stream) {
        Fd closed(fd);
        return fail_errno("opendir");
    }
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    int number = errno;
    ::closedir(stream);
    if (number != 0) return fail(errno_error("readdir", {}, number));
    std::sort(names.begin(), names.end());
    return names;
}

Result<Fd> open_entry(int directory, const std::string& name, int flags) {
    int fd = ::openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open", name);
    return Fd(fd);
}

Result<struct stat> entry_status(int directory, const std::string& name) {
    struct stat st;
    if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("lstat", name);
    return st;
}

Result<struct stat> descriptor_status(int fd) {
    struct stat st;
    if (::fstat(fd, &st) < 0) return fail_errno("fstat");
    return st;
}

Result<std::string> read_entry_link(int directory, const std::string& name) {
    char target[PATH_MAX];
    ssize_t length = ::readlinkat(directory, name.c_str(), target, sizeof target);
    if (length < 0) return fail_errno("readlink", name);
    return std::string(target, static_cast<size_t>(length));
}

Result<std::vector<std::string>> attribute_names(int fd) {
    std::string names(64 << 10, '\0');
    ssize_t size = ::listxattr(by_descriptor(fd).c_str(), names.data(), names.size());
    if (size < 0 && errno == EOPNOTSUPP) return std::vector<std::string>();
    if (size < 0) return fail_errno("listxattr");
    names.resize(static_cast<size_t>(size));
    auto list = split_nonempty(names, '\0');
    std::sort(list.begin(), list.end());
    return list;
}

Result<std::optional<std::string>> read_attribute(int fd, const std::string& name) {
    std::string path = by_descriptor(fd), value(256, '\0');
    for (;;) {
        ssize_t size = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (size >= 0) {
            value.resize(static_cast<size_t>(size));
            return std::optional(std::move(value));
        }
        if (errno == ENODATA || errno == EOPNOTSUPP) return std::optional<std::string>();
        if (errno != ERANGE || value.size() >= 64 << 10) return fail_errno("getxattr", name);
        value.assign(64 << 10, '\0');
    }
}

}  // namespace proa::os
