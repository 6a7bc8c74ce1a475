#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::store {

/// How the file system of a container is made from layers. daemon.json: `storage-driver`.
enum class StorageDriver {
    Overlay2,  ///< an overlay mount of the layers' directories below the container's own
    Vfs,       ///< a copy of everything for each container: slow and large, but on any file system
};
std::string_view name_of(StorageDriver driver);

/// The driver for the data root `root` (made when missing). `wanted` is "overlay2", "vfs", or empty for the one that the data root was
/// used with before, else overlay2 where the file system can carry it, else vfs with a warning that says why.
/// What the other driver unpacked is handed to the housekeeping of the chosen one: layers are unpacked again from their blobs.
/// Errors: Unsupported when overlay2 is wanted and this file system cannot carry it; Conflict when the other driver still holds the file
/// systems of containers; InvalidArgument for other names.
Result<StorageDriver> choose_storage_driver(const std::string& root, std::string_view wanted);

/// Ok when directories in `root` can be the upper directories of an overlay, with whiteouts and opaque directories as the kernel writes them;
/// else what failed. kernel: filesystems/overlayfs.rst
Result<void> probe_overlay(const std::string& root);

}  // namespace proa::store
