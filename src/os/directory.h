#pragma once
#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "os/fd.h"

// Entries of an open directory by one name each, never through a symbolic link: safe in a tree that others change meanwhile.
namespace proa::os {

/// Names in the directory, sorted, without "." and "..". `directory` may be O_PATH; its position does not matter.
Result<std::vector<std::string>> list_entries(int directory);
Result<Fd> open_entry(int directory, const std::string& name, int flags);  ///< O_NOFOLLOW and O_CLOEXEC are added. man: openat(2)
Result<struct stat> entry_status(int directory, const std::string& name);  ///< of the link itself. man: fstatat(2)
Result<struct stat> descriptor_status(int fd);
Result<std::string> read_entry_link(int directory, const std::string& name);

/// Names of the extended attributes, sorted; none where the file system has none. `fd` may be O_PATH. man: listxattr(2)
Result<std::vector<std::string>> attribute_names(int fd);
/// nullopt when it has no such attribute. `fd` may be O_PATH. man: getxattr(2)
Result<std::optional<std::string>> read_attribute(int fd, const std::string& name);

}  // namespace proa::os
