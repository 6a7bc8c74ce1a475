#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "base/id.h"
#include "base/text.h"

namespace proa::os {

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
    for (;;) {
        int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
        if (fd >= 0) return Fd(fd);
        if (errno != EINTR) return fail_errno("open", path);
    }
}

Result<std::string> read_file(const std::string& path, size_t limit) {
    Fd file = TRY(open_file(path, O_RDONLY));
    return TRY_WRAP(concat("read ", path), read_to_end(file.get(), limit));
}

Result<void> write_file(const std::string& path, std::string_view content, mode_t mode) {
    Fd file = TRY(open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
    size_t put = TRY_WRAP(path, write_some(file.get(), content));
    if (put < content.size()) TRY_WRAP(path, write_all(file.get(), content.substr(put)));
    return {};
}

Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode, bool durable) {
    std::string temporary = concat(path, ".tmp-", random_hex(6));
    auto written = [&]() -> Result<void> {
        Fd file = TRY(open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
        TRY_WRAP(concat("write ", temporary), write_all(file.get(), content));
        if (durable && ::fsync(file.get()) < 0) return fail_errno("fsync", temporary);
        TRY(rename_path(temporary, path));
        if (durable) TRY(sync_directory(directory_of(path)));
        return {};
    }();
    if (!written) ::unlink(temporary.c_str());
    return written;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool is_directory(const std::string& path) {
    struct stat st;
    return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

Result<struct stat> status(const std::string& path) {
    struct stat st;
    if (::stat(path.c_str(), &st) < 0) return fail_errno("stat", path);
    return st;
}

Result<struct stat> link_status(const std::string& path) {
    struct stat st;
    if (::lstat(path.c_str(), &st) < 0) return fail_errno("lstat", path);
    return st;
}

Result<void> make_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) < 0) return fail_errno("mkdir", path);
    return {};
}

Result<void> make_directories(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0 || (errno == EEXIST && is_directory(path))) return {};
    if (errno != ENOENT) return fail_errno("mkdir", path);
    TRY(make_directories(directory_of(path), mode));
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST) return fail_errno("mkdir", path);
    return {};
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return fail_errno("unlink", path);
    return {};
}

namespace {
struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Result<Directory> open_directory(Fd fd, const std::string& path) {
    DIR* directory = ::fdopendir(fd.get());
    if (!directory) return fail_errno("opendir", path);
    fd.release();
    return Directory(directory);
}

bool is_dot(const char* name) { return std::string_view(name) == "." || std::string_view(name) == ".."; }

/// Empties the directory `fd`, which is on `device`; entries on other devices (mounts) are left and make rmdir fail.
Result<void> remove_entries(Fd fd, const std::string& path, dev_t device, int depth) {
    if (depth > 2000) return fail(ErrorKind::Internal, concat("remove ", path, ": more than 2000 levels"));
    Directory directory = TRY(open_directory(std::move(fd), path));
    int at = ::dirfd(directory.get());
    while (dirent* entry = ::readdir(directory.get())) {
        if (is_dot(entry->d_name)) continue;
        std::string child = concat(path, '/', std::string_view(entry->d_name));
        if (::unlinkat(at, entry->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM) return fail_errno("unlink", child);
        Fd inner(::openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!inner) return fail_errno("open", child);
        struct stat st;
        if (::fstat(inner.get(), &st) < 0) return fail_errno("stat", child);
        if (st.st_dev != device) return fail(ErrorKind::Conflict, concat("remove ", child, ": it is a mount point"));
        TRY(remove_entries(std::move(inner), child, device, depth + 1));
        if (::unlinkat(at, entry->d_name, AT_REMOVEDIR) < 0) return fail_errno("rmdir", child);
    }
    return {};
}
}  // namespace

Result<void> remove_tree(const std::string& path) {
    struct stat st;
    if (::lstat(path.c_str(), &st) < 0) {
        if (errno == ENOENT) return {};
        return fail_errno("lstat", path);
    }
    if (!S_ISDIR(st.st_mode)) return remove_file(path);
    Fd fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(remove_entries(std::move(fd), path, st.st_dev, 0));
    if (::rmdir(path.c_str()) < 0 && errno != ENOENT) return fail_errno("rmdir", path);
    return {};
}

Result<void> rename_path(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) < 0) return fail_errno("rename", concat(from, " to ", to));
    return {};
}

Result<std::string> read_link(const std::string& path) {
    char target[PATH_MAX];
    ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return fail_errno("readlink", path);
    return std::string(target, static_cast<size_t>(length));
}

Result<void> make_symlink(const std::string& target, const std::string& path) {
    if (::symlink(target.c_str(), path.c_str()) < 0) return fail_errno("symlink", path);
    return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    Directory directory = TRY(open_directory(TRY(open_file(path, O_RDONLY | O_DIRECTORY)), path));
    std::vector<std::string> names;
    while (dirent* entry = ::readdir(directory.get()))
        if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> sync_directory(const std::string& path) {
    Fd directory = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) < 0) return fail_errno("fsync", path);
    return {};
}

std::string directory_of(std::string_view path) {
    size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string base_name(std::string_view path) {
    size_t slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string clean_path(std::string_view path) {
    bool absolute = path.starts_with('/');
    std::vector<std::string> kept;
    for (auto& piece : split_nonempty(path, '/')) {
        if (piece == ".") continue;
        if (piece == "..") {
            if (!kept.empty() && kept.back() != "..") {
                kept.pop_back();
                continue;
            }
            if (absolute) continue;
        }
        kept.push_back(std::move(piece));
    }
    std::string out = (absolute ? "/" : "") + join(kept, "/");
    return out.empty() ? "." : out;
}

std::string join_path(std::string_view a, std::string_view b) {
    if (a.empty()) return clean_path(b);
    return clean_path(concat(a, '/', b));
}

}  // namespace proa::os
