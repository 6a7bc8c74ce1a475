#pragma once
#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

// Files of the engine's own directories and of the host. Paths inside a container's root are os::PathInRoot (path_in_root.h)
// and never come here.
namespace proa::os {

Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);  ///< open(2) with O_CLOEXEC added
Result<std::string> read_file(const std::string& path, size_t limit = 64 << 20);
/// Creates or truncates, not atomic; for kernel files (cgroup, sysctl) one write(2) with the whole text.
Result<void> write_file(const std::string& path, std::string_view content, mode_t mode = 0644);
/// Writes a temporary sibling and renames it over `path`; with `durable` both file and directory are synced first.
/// After a crash `path` holds the old or the new content, never a part.
Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode, bool durable);
bool exists(const std::string& path);                      ///< follows symbolic links
bool is_directory(const std::string& path);
Result<struct stat> status(const std::string& path);       ///< stat(2)
Result<struct stat> link_status(const std::string& path);  ///< lstat(2)
Result<void> make_directory(const std::string& path, mode_t mode);    ///< Conflict when it exists
Result<void> make_directories(const std::string& path, mode_t mode);  ///< mkdir -p; existing ones keep their mode
Result<void> remove_file(const std::string& path);                    ///< no error when it is missing
/// Removes a tree without following symbolic links and without crossing mounts; no error when it is missing.
Result<void> remove_tree(const std::string& path);
Result<void> rename_path(const std::string& from, const std::string& to);
Result<std::string> read_link(const std::string& path);
Result<void> make_symlink(const std::string& target, const std::string& path);
/// Names in a directory, sorted, without "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path);
Result<void> sync_directory(const std::string& path);

std::string directory_of(std::string_view path);  ///< "/a/b" gives "/a"
std::string base_name(std::string_view path);     ///< "/a/b" gives "b"
/// Go's filepath.Clean: no "//", "." or inner ".."; "" gives ".".
std::string clean_path(std::string_view path);
std::string join_path(std::string_view a, std::string_view b);  ///< cleaned

}  // namespace proa::os
