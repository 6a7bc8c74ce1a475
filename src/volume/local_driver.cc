#include "volume/local_driver.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "os/file.h"
#include "os/mount.h"
#include "volume/copy_tree.h"

namespace proa::volume {

namespace {

bool is_name_character(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (!first && (c == '_' || c == '.' || c == '-'));
}

Result<os::Fd> open_directory(const std::string& path) { return os::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW); }

}  // namespace

Result<void> check_local_name(const std::string& name) {
    if (name.size() == 1) return fail(ErrorKind::InvalidArgument, "volume name is too short, names should be at least two alphanumeric characters");
    bool valid = !name.empty() && name.size() <= 255 - 9;  // room for the prefix of a removal
    for (size_t i = 0; i < name.size(); i++) valid = valid && is_name_character(name[i], i == 0);
    if (valid) return {};
    return fail(ErrorKind::InvalidArgument,
                concat(quote(name), " includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
                                    "If you intended to pass a host directory, use absolute path"));
}

Result<std::unique_ptr<LocalDriver>> LocalDriver::open(const std::string& root, Owner owner) {
    TRY(os::make_directories(root, 0701));
    return std::unique_ptr<LocalDriver>(new LocalDriver(root, owner));
}

bool LocalDriver::exists(const std::string& name) const { return os::is_directory(data(name)); }

bool LocalDriver::removal_was_begun(const std::string& name) const { return os::exists(removal(name)); }

Result<void> LocalDriver::create(const Record& record) {
    TRY(parse_mount_options(record.options));
    for (auto& [path, mode] : {std::pair(concat(root_, '/', record.name), 0701), {data(record.name), 0755}}) {
        auto made = os::make_directory(path, static_cast<mode_t>(mode));
        if (!made && !made.error().is(ErrorKind::Conflict)) return made;
        if (made && ::chmod(path.c_str(), static_cast<mode_t>(mode)) < 0) return fail_errno("chmod", path);
        if (made && (owner_.uid || owner_.gid) && path == data(record.name) && ::chown(path.c_str(), owner_.uid, owner_.gid) < 0) return fail_errno("chown", path);
    }
    return os::sync_directory(root_);
}

Result<void> LocalDriver::remove(const Record& record) {
    TRY(os::unmount(data(record.name), MNT_DETACH | UMOUNT_NOFOLLOW));
    TRY(os::remove_tree(removal(record.name)));
    auto renamed = os::rename_path(concat(root_, '/', record.name), removal(record.name));
    if (!renamed && !renamed.error().is(ErrorKind::NotFound)) return renamed;
    return os::remove_tree(removal(record.name));
}

Result<std::string> LocalDriver::mount(const Record& record, const std::string&) {
    std::string path = data(record.name);
    auto options = TRY(parse_mount_options(record.options));
    os::Fd target = TRY(os::open_file(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    if (!options || TRY(os::is_mount_point(target.get()))) return path;
    TRY_WRAP(concat("error while mounting volume '", path, "'"), mount_volume(*options, target.get(), path));
    return path;
}

Result<void> LocalDriver::unmount(const Record& record, const std::string&, bool last) {
    if (!last || !record.options || record.options->empty()) return {};
    return os::unmount(data(record.name), MNT_DETACH | UMOUNT_NOFOLLOW);
}

Result<void> LocalDriver::rename(const std::string& from, const std::string& to) {
    TRY(os::rename_path(concat(root_, '/', from), concat(root_, '/', to)));
    return os::sync_directory(root_);
}

Result<void> LocalDriver::fill_when_empty(const Record& record, int from, bool used) {
    std::string path = data(record.name);
    if (!TRY(os::list_directory(path)).empty()) return {};
    if (used || (record.options && !record.options->empty())) return copy_tree(from, TRY(open_directory(path)).get(), Keep::FilesOnly);
    std::string fresh = concat(root_, "/.filling-", record.name);
    TRY(os::remove_tree(fresh));
    TRY(os::make_directory(fresh, 0755));
    auto filled = [&]() -> Result<void> {
        TRY(copy_tree(from, TRY(open_directory(fresh)).get(), Keep::FilesOnly));
        return os::rename_path(fresh, path);  // an empty directory makes room
    }();
    if (!filled) (void)os::remove_tree(fresh);  // the copy's error is the one to report
    if (!filled && (filled.error().number() == ENOTEMPTY || filled.error().number() == EEXIST)) return {};
    return filled;
}

Result<std::vector<std::string>> LocalDriver::names() const {
    std::vector<std::string> found;
    for (auto& name : TRY(os::list_directory(root_)))
        if (check_local_name(name) && exists(name)) found.push_back(name);
    return found;
}

Result<void> LocalDriver::clear_remains() {
    for (auto& name : TRY(os::list_directory(root_))) {
        if (!name.starts_with(".filling-") && !name.starts_with(".removed-")) continue;
        auto removed = os::remove_tree(concat(root_, '/', name));
        if (!removed) log::warn(concat("what is left of a volume could not be removed: ", removed.error().message()));
    }
    return {};
}

Result<void> LocalDriver::unmount_unused(const std::set<std::string>& used) {
    for (auto& name : TRY(names())) {
        if (used.contains(name)) continue;
        os::Fd directory = TRY(os::open_file(data(name), O_PATH | O_DIRECTORY | O_NOFOLLOW));
        if (!TRY(os::is_mount_point(directory.get()))) continue;
        directory.reset();
        TRY(os::unmount(data(name), MNT_DETACH | UMOUNT_NOFOLLOW));
    }
    return {};
}

}  // namespace proa::volume
