#pragma once
#include <linux/mount.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

// The mount API by descriptors (Linux 5.12): trees are made detached, changed while nobody sees them and then moved onto a
// target that is a descriptor as well. No path of a container is ever given to the kernel twice.
namespace proa::os {

/// A copy of the mount that `path` (relative to `directory`, a host path) lies on, from `path` downward; with `recursive` the mounts
/// below too. Detached until move_mount(). The source must be a mount of the caller's mount namespace. man: open_tree(2)
Result<Fd> clone_tree(int directory, const std::string& path, bool recursive);
/// The same of what `fd` (O_PATH suffices) refers to.
Result<Fd> clone_tree(int fd, bool recursive, std::string_view subject);

/// A new file system instance as a detached mount. `options` are the comma-separated texts of mount(8)'s -o that belong to the
/// file system; `attributes` are MOUNT_ATTR_* of the mount. Errors carry the kernel's own message when it left one.
/// Options of 256 bytes and more are not possible here (InvalidArgument, E2BIG). man: fsopen(2), fsconfig(2), fsmount(2)
Result<Fd> new_filesystem(const std::string& type, const std::string& source, std::string_view options, uint64_t attributes);

struct OverlayDirectories {
    std::vector<std::string> lower;  ///< top first, at least one
    std::string upper, work;         ///< both empty: a read-only overlay
};
/// An overlay (index, metacopy and redirect_dir off, so that its upper directory is a plain layer) on top of what `target` (O_PATH, a
/// directory) refers to; returns the O_PATH descriptor of its root. `user_namespace`: mounted by the root of a user namespace.
/// Before Linux 6.7 one mount(2) call, which bounds the sum of all paths to 4 KiB (InvalidArgument).
/// kernel: filesystems/overlayfs.rst
Result<Fd> mount_overlay(const OverlayDirectories& directories, int target, bool user_namespace, std::string_view subject);

/// The same overlay, attached nowhere: it ends with the descriptor of its root that is returned (O_PATH). Before Linux 6.7 it is made
/// at the existing directory `scratch` in a mount namespace of a thread's own; `legacy` asks for that way.
Result<Fd> detached_overlay(const OverlayDirectories& directories, const std::string& scratch, bool legacy = false);

/// Attaches the detached tree at the directory or file that `target` (O_PATH) refers to.
Result<void> move_mount(int tree, int target, std::string_view subject);

struct MountChange {
    uint64_t set = 0, clear = 0;  ///< MOUNT_ATTR_*
    uint64_t propagation = 0;     ///< one of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0
    int user_namespace = -1;      ///< for MOUNT_ATTR_IDMAP
    bool recursive = false;
};
/// Changes the mount whose root `fd` refers to. Errors: Unsupported before Linux 5.12. man: mount_setattr(2)
Result<void> change_mount(int fd, const MountChange& change, std::string_view subject);

/// The per-mount part of mount(2)'s flags as MOUNT_ATTR_*. An atime choice sets all MOUNT_ATTR__ATIME bits it needs.
uint64_t mount_attributes(unsigned long ms_flags);
/// The MOUNT_ATTR_* bits to clear so that `ms_flags` can be applied or `ms_cleared` taken away.
uint64_t mount_attributes_to_clear(unsigned long ms_flags, unsigned long ms_cleared);

/// mount(2) onto a descriptor, by /proc/self/fd (the caller's /proc must be the host's).
Result<void> mount_onto(int target, const std::string& type, const std::string& source, unsigned long flags, const std::string& data,
                        std::string_view subject);
/// Changes the propagation (MS_PRIVATE, MS_SLAVE ..., with MS_REC) of a host path's mount. man: mount(2)
Result<void> change_propagation(const std::string& path, unsigned long flags);
/// umount2(2); a path that is no mount point is no error.
Result<void> unmount(const std::string& path, int flags);

/// Whether `fd` refers to the root of a mount. man: statx(2), Linux 5.8
Result<bool> is_mount_point(int fd);

/// fstatfs(2)'s type of the file system that holds `fd`.
Result<int64_t> filesystem_magic(int fd);

}  // namespace proa::os
