#pragma once
#include <optional>
#include <string>
#include <vector>

#include "build/owner.h"
#include "build/sources.h"

namespace proa::build {

/// One COPY or ADD with everything resolved.
struct CopyWork {
    struct Part {
        const os::RootDirectory* root = nullptr;
        std::vector<SourceItem> items;
        bool unpack = false;     ///< archives among the items are unpacked
        std::string as_name;     ///< name in the destination instead of the item's own (downloads, heredocs)
        Hidden hidden = {};      ///< of the root
        bool attributes = true;  ///< extended attributes come along
    };
    std::vector<Part> parts;
    std::string destination;     ///< absolute; a slash at the end means a directory
    std::optional<Owner> owner;  ///< nullopt keeps the source's (between stages)
    std::optional<ModeChange> mode;
    dockerfile::IgnorePatterns excludes;
    std::optional<int64_t> latest_seconds;
};

/// Copies into `target`. Directories that are missing are made with mode 0755 and the work's owner (root without one).
/// Errors: InvalidArgument and Conflict in Docker's words, others by errno.
Result<void> copy_files(const CopyWork& work, const os::RootDirectory& target);

/// Makes the directory that the work's destination names, with its parents.
Result<void> make_destination(const CopyWork& work, const os::RootDirectory& target);

/// Whether the file is an archive that ADD unpacks: tar, plain or compressed by gzip, bzip2, xz or zstd.
bool is_archive(const os::RootDirectory& root, const std::string& path);

}  // namespace proa::build
