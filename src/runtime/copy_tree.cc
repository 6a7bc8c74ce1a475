#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/text.h"
#include "runtime/root_builder.h"

namespace proa::runtime {

namespace {
Result<void> copy_attributes(int from, int to, const struct stat& st, const char* name) {
    if (::fchown(to, st.st_uid, st.st_gid) < 0) return fail_errno("chown", name);
    if (::fchmod(to, st.st_mode & 07777) < 0) return fail_errno("chmod", name);
    char names[8192];
    ssize_t length = ::flistxattr(from, names, sizeof names);
    for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(strlen(names + at)) + 1) {
        char value[16384];
        ssize_t size = ::fgetxattr(from, names + at, value, sizeof value);
        // A tmpfs may lack a kind of attribute: what it cannot keep is left out.
        if (size >= 0) (void)::fsetxattr(to, names + at, value, static_cast<size_t>(size), 0);
    }
    timespec times[2] = {st.st_atim, st.st_mtim};
    if (::futimens(to, times) < 0) return fail_errno("set times of", name);
    return {};
}

Result<void> copy_content(int from, int to, const char* name) {
    std::vector<char> buffer(128 << 10);
    for (;;) {
        size_t got = TRY_WRAP(std::string_view(name), os::read_some(from, buffer));
        if (got == 0) return {};
        TRY_WRAP(std::string_view(name), os::write_all(to, std::string_view(buffer.data(), got)));
    }
}

Result<void> copy_entries(int from, int to, int depth);

Result<void> copy_entry(int from, int to, const char* name, int depth) {
    struct stat st;
    if (::fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("stat", name);
    if (S_ISLNK(st.st_mode)) {
        char target[PATH_MAX];
        ssize_t length = ::readlinkat(from, name, target, sizeof target - 1);
        if (length < 0) return fail_errno("readlink", name);
        target[length] = '\0';
        if (::symlinkat(target, to, name) < 0) return fail_errno("symlink", name);
        if (::fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("chown", name);
        return {};
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return {};
    bool directory = S_ISDIR(st.st_mode);
    os::Fd source(::openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (directory ? O_DIRECTORY : 0)));
    if (!source) return fail_errno("open", name);
    if (directory && ::mkdirat(to, name, 0700) < 0) return fail_errno("mkdir", name);
    os::Fd target(::openat(to, name, directory ? O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) return fail_errno("create", name);
    if (directory) TRY(copy_entries(source.get(), target.get(), depth + 1));
    else TRY(copy_content(source.get(), target.get(), name));
    return copy_attributes(source.get(), target.get(), st, name);
}

Result<void> copy_entries(int from, int to, int depth) {
    if (depth > 1000) return fail(ErrorKind::InvalidArgument, "more than 1000 directory levels");
    int scan = ::openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* entries = scan < 0 ? nullptr : ::fdopendir(scan);
    if (!entries) {
        if (scan >= 0) ::close(scan);
        return fail_errno("opendir");
    }
    Result<void> done;
    while (dirent* entry = ::readdir(entries)) {
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        done = copy_entry(from, to, entry->d_name, depth);
        if (!done) break;
    }
    ::closedir(entries);
    return done;
}
}  // namespace

Result<void> copy_tree(int from, int to) {
    TRY(copy_entries(from, to, 0));
    struct stat st;
    if (::fstat(from, &st) < 0) return fail_errno("stat");
    return copy_attributes(from, to, st, "the directory itself");
}

}  // namespace proa::runtime
