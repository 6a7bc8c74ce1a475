#pragma once
#include <sys/stat.h>

#include <compare>
#include <string>
#include <string_view>

#include "os/fd.h"

// Paths that an image, an archive or a container chose. They mean something only together with a root directory, every
// component below that root may be hostile, and so they are a type of their own that no raw path call accepts (rule C3, C7).
namespace proa::os {

/// A path seen from inside a root: "/etc/passwd" and "etc/passwd" are the same place. Never handed to open(2) and friends.
class PathInRoot {
public:
    PathInRoot() = default;
    explicit PathInRoot(std::string_view path) : path_(path) {}

    /// For messages and for records only.
    const std::string& text() const { return path_; }
    /// The last component: "/a/b//" gives "b", "/" gives "".
    std::string_view name() const;
    /// All but the last component: "/a/b/" gives "/a", "b" gives "".
    PathInRoot parent() const;
    PathInRoot operator/(std::string_view child) const;
    auto operator<=>(const PathInRoot&) const = default;

private:
    std::string path_;
};

/// How a symbolic link that points outside is read.
enum class Scope {
    InRoot,   ///< as after chroot: "/x" and ".." stop at the root (RESOLVE_IN_ROOT); for containers
    Beneath,  ///< anything that would leave the root is refused with EXDEV (RESOLVE_BENEATH)
    NoLinks,  ///< as Beneath, and no symbolic link is followed at all (RESOLVE_NO_SYMLINKS)
};

/// A directory and the name of an entry in it (which may be missing). `name` has no '/' and is neither "." nor ".."; it is
/// "." exactly when the path was the root itself.
struct Parent {
    Fd directory;  ///< O_PATH
    std::string name;
};

/// A directory that paths are resolved in, each by one openat2(2): no component can lead out of it, not even while someone
/// renames directories inside, and magic links of /proc are never followed. Mounts below the root are crossed.
/// All errors: NotFound (ENOENT), InvalidArgument (ENOTDIR, a ".." as last component), Conflict (EEXIST), Forbidden (the path leaves the
/// root in scopes Beneath and NoLinks), Internal. Texts name the path inside the root. Needs Linux 5.6. man: openat2(2)
class RootDirectory {
public:
    RootDirectory() = default;
    /// Takes over any descriptor of a directory.
    explicit RootDirectory(Fd directory, Scope scope = Scope::InRoot) : directory_(std::move(directory)), scope_(scope) {}
    /// `path` is a host path and is resolved as such.
    static Result<RootDirectory> at(const std::string& path, Scope scope = Scope::InRoot);

    int fd() const { return directory_.get(); }
    explicit operator bool() const { return static_cast<bool>(directory_); }

    /// open(2) inside the root; O_CLOEXEC is added. With O_CREAT the last component is created by `mode` less the umask.
    /// A FIFO or a device is opened like anything else: callers that read hostile trees use open_regular().
    Result<Fd> open(const PathInRoot& path, int flags, mode_t mode = 0) const;
    /// O_PATH; symbolic links as last component are followed unless `nofollow`.
    Result<Fd> open_path(const PathInRoot& path, bool nofollow = false) const;
    /// A regular file for reading; InvalidArgument for any other type. Never blocks on a FIFO, never touches a device.
    Result<Fd> open_regular(const PathInRoot& path) const;
    /// The directory that holds the last component. Symbolic links are followed in the parent, never in the last component.
    Result<Parent> open_parent(const PathInRoot& path) const;
    /// A fresh RootDirectory with the same scope for a directory below this one.
    Result<RootDirectory> open_root(const PathInRoot& path) const;

    Result<struct stat> stat(const PathInRoot& path) const;       ///< follows a last symbolic link, inside the root
    Result<struct stat> link_stat(const PathInRoot& path) const;  ///< does not
    Result<bool> exists(const PathInRoot& path) const;            ///< link_stat() works

    // The makers below never follow a last symbolic link; Conflict when the name is taken.
    Result<void> make_directory(const PathInRoot& path, mode_t mode) const;
    /// mkdir -p; returns an O_PATH descriptor of the directory. Missing components, also those behind dangling symbolic
    /// links (resolved inside the root), are created with `mode` less the umask; existing ones are left alone.
    Result<Fd> make_directories(const PathInRoot& path, mode_t mode) const;
    Result<void> make_node(const PathInRoot& path, mode_t mode_and_type, dev_t device) const;  ///< mknodat(2)
    Result<void> make_symlink(const std::string& target, const PathInRoot& path) const;        ///< `target` is stored as it is
    /// linkat(2): neither end follows a last symbolic link.
    Result<void> make_link(const PathInRoot& existing, const PathInRoot& path) const;
    /// An empty regular file, or the existing one (of whatever type); the parent must exist. O_PATH descriptor, last
    /// symbolic link followed. For mount targets.
    Result<Fd> ensure_file(const PathInRoot& path, mode_t mode) const;

    Result<std::string> read_link(const PathInRoot& path) const;
    /// A regular file of at most `limit` bytes (InvalidArgument when there are more or it is no regular file).
    Result<std::string> read_file(const PathInRoot& path, size_t limit = 1 << 20) const;
    /// Creates or truncates a regular file (a last symbolic link is followed, inside the root).
    Result<void> write_file(const PathInRoot& path, std::string_view content, mode_t mode = 0644) const;
    Result<void> rename(const PathInRoot& from, const PathInRoot& to) const;
    Result<void> remove(const PathInRoot& path) const;       ///< unlink or rmdir; a missing one is no error
    Result<void> remove_tree(const PathInRoot& path) const;  ///< without following links or crossing mounts; missing is no error

private:
    Result<Fd> resolve(const PathInRoot& path, int flags, mode_t mode) const;

    Fd directory_;
    Scope scope_ = Scope::InRoot;
};

/// Removes the entry `name` of `directory` with all below it, without following links; missing is no error.
Result<void> remove_entry(int directory, const std::string& name, int depth = 0);

/// Opens by descriptor again with other rights: an O_PATH descriptor of a regular file or directory, by /proc/self/fd.
Result<Fd> reopen(int fd, int flags);

}  // namespace proa::os
