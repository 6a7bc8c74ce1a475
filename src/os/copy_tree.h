#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "os/path_in_root.h"

namespace proa::os {

struct CopyOptions {
    std::optional<std::pair<uint32_t, uint32_t>> owner;       ///< of everything copied; nullopt keeps the source's
    std::function<mode_t(mode_t mode, bool directory)> mode;  ///< permission bits from the source's; empty keeps them
    std::optional<int64_t> latest_seconds;                    ///< modification times behind this become this (SOURCE_DATE_EPOCH)
    bool attributes = true;                                   ///< extended attributes are copied
    /// Paths below the first entry ("a/b") that are left out with all below them.
    std::function<bool(const std::string& path, bool directory)> skip;
};

/// Copies the entry `name` of `from` to `to`/`to_name` with all below it: files, directories, symbolic links as such, hard links
/// among what is copied, devices, FIFOs, extended attributes, times. Sockets are left out. An existing directory is kept and filled
/// (`to_name` itself keeps its attributes), any other existing entry is replaced. No symbolic link is followed on either side.
/// Errors: Conflict "cannot copy to non-directory: x" for a directory on something else; others by errno.
class TreeCopier {
public:
    explicit TreeCopier(CopyOptions options) : options_(std::move(options)) {}
    Result<void> copy(int from, const std::string& name, int to, const std::string& to_name);
    /// What is in the directory `from` into the directory `to`.
    Result<void> copy_content(int from, int to);

private:
    Result<void> copy_entry(int from, const std::string& name, int to, const std::string& to_name, const std::string& path, int depth);
    Result<void> copy_directory(int from, const std::string& name, int to, const std::string& to_name, const std::string& path, const struct stat& st,
                                int depth);
    Result<void> copy_entries(int from, int to, const std::string& path, int depth);
    Result<void> copy_file(int from, const std::string& name, int to, const std::string& to_name, const struct stat& st);
    Result<void> set_attributes(int from, const std::string& name, int to, const std::string& to_name, const struct stat& st);

    CopyOptions options_;
    struct Linked {
        Fd directory;
        std::string name;
    };
    std::map<std::pair<dev_t, ino_t>, Linked> links_;
};

}  // namespace proa::os
