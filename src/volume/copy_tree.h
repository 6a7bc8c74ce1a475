#pragma once
#include <cstdint>

#include "base/result.h"

namespace proa::volume {

enum class Keep {
    FilesOnly,  ///< regular files, directories and symbolic links: what may come from an image (C8)
    All,        ///< FIFOs, sockets and devices too, made anew: a volume's own content
};

/// Copies what lies below the directory `from` into the empty directory `to`, and the directory's own attributes: owner, mode, times, extended
/// attributes, hard links among the copied, holes. Content is shared by the file system where it can (reflink). Both are rooted
/// descriptors, no path and no link is ever followed, nothing but regular files and directories is opened, mounts are not crossed.
/// man: ioctl_ficlone(2), copy_file_range(2)
Result<void> copy_tree(int from, int to, Keep keep);

/// Gives `file` (O_PATH suffices) and, when it is a directory, all below it to this user and group. Follows no links, crosses no mounts. What belongs to
/// them already is left alone, so that set-id bits stay.
Result<void> change_owner(int file, uint32_t uid, uint32_t gid);

/// Bytes that the tree occupies: regular files once each (hard links once), as `du --apparent-size` of files counts them. Mounts are not crossed.
Result<int64_t> tree_size(int directory);

}  // namespace proa::volume
