#pragma once
#include "archive/request.h"
#include "os/path_in_root.h"

// Paths of a container as Docker's archive endpoints read them: relative ones and ".." count from the root, "/." and a last slash mean
// the directory behind a link, and without them the last component is the link itself.
namespace proa::archive {

struct ContainerPath {
    std::string cleaned;   ///< absolute, with "/." or "/" kept at the end when it was there
    std::string name;      ///< Go's filepath.Base: "etc", "." for "/etc/.", "/" for the root
    bool follows = false;  ///< the last component is followed when it is a link
};
ContainerPath parse_container_path(std::string_view text);

/// The path with all links resolved, by their texts only: for messages and comparisons, not for opening. What is missing stays as it is.
std::string resolved_text(const os::RootDirectory& root, const std::string& path);

/// Errors: NotFound "Could not find the file /x in container c".
struct FoundPath {
    os::Fd entry;      ///< O_PATH
    PathStat stat;
};
Result<FoundPath> find_path(const os::RootDirectory& root, const ContainerPath& path, const Request& request);
/// The directory that a tar is to be unpacked in, as its resolved path. Errors: NotFound; InvalidArgument "extraction point is not a
/// directory", "container rootfs is marked read-only", "mounted volume is marked read-only".
Result<std::string> find_target(const os::RootDirectory& root, const Request& request);

/// Go's os.FileMode of a stat(2) mode.
uint32_t go_mode(mode_t mode);

}  // namespace proa::archive
