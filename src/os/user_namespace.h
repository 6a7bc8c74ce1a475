#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"
#include "os/mount.h"

// User namespaces that nobody is in, and what is mounted for them. man: user_namespaces(7)
namespace proa::os {

/// `size` ids from `inside` on are those from `outside` on in the namespace above.
struct IdRange {
    uint32_t inside = 0, outside = 0, size = 0;
    bool operator==(const IdRange&) const = default;
};
struct IdMaps {
    std::vector<IdRange> users, groups;
    bool empty() const { return users.empty() && groups.empty(); }
};
/// nullopt: the namespace has no such id.
std::optional<uint32_t> id_outside(const std::vector<IdRange>& map, uint32_t inside);
/// The lines of /proc/PID/uid_map and gid_map. Errors: InvalidArgument.
Result<std::vector<IdRange>> parse_id_map(std::string_view text);
std::string id_map_text(const std::vector<IdRange>& map);

/// A user namespace and, when asked for, a network namespace that belongs to it. They live as long as the descriptors.
struct OwnedNamespaces {
    Fd user, network;
};
/// Makes them without fork(2): a child that shares our memory, does nothing and is killed. Needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID.
/// Errors: InvalidArgument for maps that the kernel refuses.
Result<OwnedNamespaces> make_owned_namespaces(const IdMaps& maps, bool with_network);

/// In a mount namespace of the caller's own: what lies below the host directory `directory` (root's own) shows the ids of `user_namespace`: id 0 on disk
/// is the namespace's root. Returns the mount's root. Errors: Unsupported, by the file system's name, where it knows no idmapped mounts.
/// man: mount_setattr(2), "ID-mapped mounts"
Result<Fd> show_mapped(const std::string& directory, int user_namespace);

/// An overlay whose directories all lie below `mapped_directory`, shown as show_mapped() does; what is made in it belongs on disk to the ids inside.
/// Attached nowhere. `scratch`: an empty directory, outside the layers or their neighbour.
/// Linux 5.19; the caller is in a mount namespace of its own with private mounts and has one thread. kernel: filesystems/overlayfs.rst
Result<Fd> mapped_overlay(const OverlayDirectories& directories, const std::string& scratch, const std::string& mapped_directory, int user_namespace);
/// The same for a caller in the host's mount namespace, by a short-lived child. The caller must have one thread.
Result<Fd> mapped_overlay_by_child(const OverlayDirectories& directories, const std::string& scratch, const std::string& mapped_directory, int user_namespace);

}  // namespace proa::os
