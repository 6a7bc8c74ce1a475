#pragma once
#include <string>
#include <vector>

#include "codec/stream.h"

namespace proa::store {

/// Writes the directory `path` in overlayfs' form as a layer: 0:0 devices become `.wh.x`, opaque directories get `.wh..wh..opq`,
/// hard links inside stay hard links, sockets are left out. Names sorted; the same tree gives the same bytes.
/// Returns the bytes of all regular files. The tree may change meanwhile (codec/tar_tree.h); the layer then holds some of both states.
Result<uint64_t> write_layer(const std::string& path, codec::Sink& out);

enum class ChangeKind { Modified, Added, Deleted };
struct Change {
    ChangeKind kind;
    std::string path;  ///< "/etc/passwd"
};
/// What the upper directory `upper` changes over `lower` (top first), as `docker diff`: sorted by path.
Result<std::vector<Change>> layer_changes(const std::string& upper, const std::vector<std::string>& lower);

/// Bytes of all regular files below `path`, each inode once.
Result<uint64_t> tree_size(const std::string& path);
/// Bytes that everything below `path` takes on disk, as du(1) counts.
Result<uint64_t> tree_disk_size(const std::string& path);

}  // namespace proa::store
