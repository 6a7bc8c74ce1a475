#include "archive/container_path.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "os/directory.h"
#include "os/file.h"

namespace proa::archive {

using os::PathInRoot;

namespace {
constexpr int kLinksMax = 255;

Unexpected not_found(const Request& request) {
    return fail(ErrorKind::NotFound, concat("Could not find the file ", request.path, " in container ", request.container));
}

bool is_missing(const Error& error) { return error.number() == ENOENT || error.number() == ELOOP; }
}  // namespace

ContainerPath parse_container_path(std::string_view text) {
    ContainerPath path;
    std::string absolute = os::clean_path(concat('/', text));
    bool dot = text == "." || text.ends_with("/.");
    bool slash = text.ends_with('/');
    path.cleaned = absolute;
    path.follows = dot || slash || absolute == "/";
    if (dot) path.cleaned = absolute == "/" ? "/." : absolute + "/.";
    else if (slash && absolute != "/") path.cleaned = absolute + "/";
    path.name = dot ? "." : absolute == "/" ? "/" : os::base_name(absolute);
    return path;
}

std::string resolved_text(const os::RootDirectory& root, const std::string& path) {
    std::vector<std::string> left = split_nonempty(path, '/'), done;
    std::reverse(left.begin(), left.end());
    for (int links = 0; !left.empty();) {
        std::string piece = std::move(left.back());
        left.pop_back();
        if (piece == "." || piece.empty()) continue;
        if (piece == "..") {
            if (!done.empty()) done.pop_back();
            continue;
        }
        done.push_back(piece);
        PathInRoot here('/' + join(done, "/"));
        auto st = root.link_stat(here);
        if (!st || !S_ISLNK(st->st_mode) || ++links > kLinksMax) continue;
        auto target = root.read_link(here);
        if (!target) continue;
        if (target->starts_with('/')) done.clear();
        else done.pop_back();
        auto pieces = split_nonempty(*target, '/');
        left.insert(left.end(), pieces.rbegin(), pieces.rend());
    }
    return '/' + join(done, "/");
}

uint32_t go_mode(mode_t mode) {
    uint32_t bits = mode & 0777;
    switch (mode & S_IFMT) {
        case S_IFDIR: bits |= 1u << 31; break;
        case S_IFLNK: bits |= 1u << 27; break;
        case S_IFBLK: bits |= 1u << 26; break;
        case S_IFCHR: bits |= 1u << 26 | 1u << 21; break;
        case S_IFIFO: bits |= 1u << 25; break;
        case S_IFSOCK: bits |= 1u << 24; break;
        default: break;
    }
    if (mode & S_ISUID) bits |= 1u << 23;
    if (mode & S_ISGID) bits |= 1u << 22;
    if (mode & S_ISVTX) bits |= 1u << 20;
    return bits;
}

Result<FoundPath> find_path(const os::RootDirectory& root, const ContainerPath& path, const Request& request) {
    FoundPath found;
    auto entry = root.open_path(PathInRoot(path.cleaned), !path.follows);
    if (!entry) return is_missing(entry.error()) ? not_found(request) : fail(std::move(entry).error());
    found.entry = std::move(*entry);
    struct stat st = TRY(os::descriptor_status(found.entry.get()));
    if (path.follows && !S_ISDIR(st.st_mode)) return fail(ErrorKind::InvalidArgument, concat("lstat ", path.cleaned, ": not a directory"), ENOTDIR);
    found.stat.name = path.name;
    found.stat.size = st.st_size;
    found.stat.mode = go_mode(st.st_mode);
    found.stat.modified_seconds = st.st_mtim.tv_sec;
    found.stat.modified_nanoseconds = static_cast<uint32_t>(st.st_mtim.tv_nsec);
    if (S_ISLNK(st.st_mode)) found.stat.link_target = resolved_text(root, path.cleaned);
    return found;
}

namespace {
bool lies_below(const std::string& path, const std::string& directory) {
    return path == directory || directory == "/" || (path.starts_with(directory) && path[directory.size()] == '/');
}
}  // namespace

Result<std::string> find_target(const os::RootDirectory& root, const Request& request) {
    std::string path = resolved_text(root, parse_container_path(request.path).cleaned);
    auto st = root.stat(PathInRoot(path));
    if (!st) return is_missing(st.error()) ? not_found(request) : fail(std::move(st).error());
    if (!S_ISDIR(st->st_mode)) return fail(ErrorKind::InvalidArgument, "extraction point is not a directory");
    const MountPlace* place = nullptr;
    for (auto& mount : request.mounts)
        if (lies_below(path, mount.destination) && (!place || mount.destination.size() > place->destination.size())) place = &mount;
    if (place && !place->writable) return fail(ErrorKind::InvalidArgument, "mounted volume is marked read-only");
    if (!place && request.read_only_root) return fail(ErrorKind::InvalidArgument, "container rootfs is marked read-only");
    return path;
}

}  // namespace proa::archive
