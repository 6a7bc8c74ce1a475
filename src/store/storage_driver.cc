#include "store/storage_driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "os/directory.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/path_in_root.h"

namespace proa::store {

namespace {
std::string directory_of(const std::string& root, StorageDriver driver) { return concat(root, '/', name_of(driver)); }

/// How many file systems of containers `driver` holds in the data root.
size_t count_writable(const std::string& root, StorageDriver driver) {
    std::string directory = directory_of(root, driver);
    size_t count = 0;
    for (auto& name : os::list_directory(directory).value_or(std::vector<std::string>()))
        if (os::is_directory(concat(directory, '/', name, "/work"))) count++;
    return count;
}

/// Moves the other driver's directory to where the sweep at opening takes it away.
Result<void> leave_driver(const std::string& root, StorageDriver other, StorageDriver chosen) {
    if (!os::is_directory(directory_of(root, other))) return {};
    if (size_t count = count_writable(root, other))
        return fail(ErrorKind::Conflict,
                    concat("error initializing graphdriver: storage driver ", name_of(chosen), " cannot be used: ", directory_of(root, other),
                           " holds the file systems of ", count, count == 1 ? " container" : " containers", "; start with storage driver ", name_of(other),
                           " and remove ", count == 1 ? "it" : "them", ", or use another data root"));
    log::warn(concat("storage driver ", name_of(chosen), " takes the place of ", name_of(other), ": layers will be unpacked again"));
    TRY(os::make_directories(directory_of(root, chosen), 0710));
    return os::rename_path(directory_of(root, other), concat(directory_of(root, chosen), "/discarded-", random_hex(8)));
}

Result<void> probe_in(const std::string& scratch) {
    for (auto name : {"/lower", "/lower/directory", "/upper", "/work", "/merged"}) TRY(os::make_directory(scratch + name, 0700));
    TRY(os::write_file(scratch + "/lower/file", ""));
    {
        os::Fd root = TRY(os::detached_overlay({{scratch + "/lower"}, scratch + "/upper", scratch + "/work"}, scratch + "/merged"));
        TRY_WRAP("remove a file from an overlay", os::remove_entry(root.get(), "file"));
        TRY_WRAP("remove a directory from an overlay", os::remove_entry(root.get(), "directory"));
        if (::mkdirat(root.get(), "directory", 0700) < 0) return fail_errno("mkdir", "a directory in the place of a removed one");
    }
    struct stat whiteout = TRY(os::link_status(scratch + "/upper/file"));
    if (!S_ISCHR(whiteout.st_mode) || whiteout.st_rdev != 0) return fail(ErrorKind::Unsupported, "whiteouts are no 0:0 character devices");
    os::Fd directory = TRY(os::open_file(scratch + "/upper/directory", O_RDONLY | O_DIRECTORY));
    if (TRY(os::read_attribute(directory.get(), "trusted.overlay.opaque")) != "y") return fail(ErrorKind::Unsupported, "it has no trusted extended attributes");
    // Layers are unpacked in this form too, by the store itself.
    if (::mknod((scratch + "/upper/made").c_str(), S_IFCHR, 0) < 0) return fail_errno("mknod", "a whiteout");
    return {};
}
}  // namespace

std::string_view name_of(StorageDriver driver) { return driver == StorageDriver::Overlay2 ? "overlay2" : "vfs"; }

Result<void> probe_overlay(const std::string& root) {
    std::string scratch = concat(root, "/probe-", random_hex(8));
    TRY(os::make_directory(scratch, 0700));
    auto probed = probe_in(scratch);
    if (auto removed = os::remove_tree(scratch); !removed) log::warn(removed.error().message());
    return probed;
}

Result<StorageDriver> choose_storage_driver(const std::string& root, std::string_view wanted) {
    TRY(os::make_directories(root, 0710));
    if (!wanted.empty() && wanted != "overlay2" && wanted != "vfs")
        return fail(ErrorKind::InvalidArgument, concat("error initializing graphdriver: driver not supported: ", wanted));
    bool has_overlay = os::is_directory(directory_of(root, StorageDriver::Overlay2)), has_vfs = os::is_directory(directory_of(root, StorageDriver::Vfs));
    StorageDriver chosen = wanted == "vfs" || (wanted.empty() && has_vfs && !has_overlay) ? StorageDriver::Vfs : StorageDriver::Overlay2;
    // A data root that was used with overlay2 has shown what it can carry.
    if (chosen == StorageDriver::Overlay2 && !has_overlay) {
        auto carried = probe_overlay(root);
        if (!carried && !wanted.empty())
            return fail(ErrorKind::Unsupported, concat("error initializing graphdriver: the file system of ", root, " cannot carry overlay2: ",
                                                       carried.error().message(), "; use storage driver vfs, or a data root on another file system"));
        if (!carried) {
            chosen = StorageDriver::Vfs;
            log::warn(concat("storage driver vfs is used, because the file system of ", root, " cannot carry overlay2: ", carried.error().message(),
                             ". Each container takes a whole copy of its image."));
        }
    }
    TRY(leave_driver(root, chosen == StorageDriver::Vfs ? StorageDriver::Overlay2 : StorageDriver::Vfs, chosen));
    return chosen;
}

}  // namespace proa::store
