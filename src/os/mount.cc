#include "os/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/text.h"
#include "os/file.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace proa::os {

Result<Fd> clone_tree(int directory, const std::string& path, bool recursive) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u);
    long fd = ::syscall(SYS_open_tree, directory, path.c_str(), flags);
    if (fd < 0) return fail_errno("open_tree", path);
    return Fd(static_cast<int>(fd));
}

Result<Fd> clone_tree(int source, bool recursive, std::string_view subject) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
    long fd = ::syscall(SYS_open_tree, source, "", flags);
    if (fd < 0) return fail_errno("open_tree", subject);
    return Fd(static_cast<int>(fd));
}

namespace {
/// The failure of the last call on a file system context, with what the kernel wrote into the context's log.
Error context_error(int context, const char* call, std::string_view subject) {
    Error error = errno_error(call, subject);
    char line[512];
    ssize_t length = ::read(context, line, sizeof line);
    if (length <= 0) return error;
    std::string_view text(line, static_cast<size_t>(length));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);  // "e " for errors, "w " for warnings
    return Error(error.kind(), concat(error.message(), " (", trim(text), ")"), error.number());
}

Result<void> set_option(int context, std::string_view type, std::string_view option) {
    auto pair = cut(option, "=");
    std::string key(pair ? pair->first : option);
    long done;
    if (pair) {
        if (pair->second.size() >= 256)
            return fail(ErrorKind::InvalidArgument, concat("mount option ", key, " of ", type, ": 256 bytes or more"), E2BIG);
        std::string value(pair->second);
        done = ::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0);
    } else {
        done = ::syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0);
    }
    if (done < 0) return fail(context_error(context, "mount option", concat(option, " of ", type)));
    return {};
}
}  // namespace

Result<Fd> new_filesystem(const std::string& type, const std::string& source, std::string_view options, uint64_t attributes) {
    Fd context(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
    if (!context) {
        if (errno == ENODEV) return fail(ErrorKind::Unsupported, concat("file system type ", type, " is not known to this kernel"), ENODEV);
        return fail_errno("fsopen", type);
    }
    if (!source.empty() && ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) < 0)
        return fail(context_error(context.get(), "mount source", concat(source, " of ", type)));
    while (!options.empty()) {
        size_t comma = options.find(',');
        std::string_view option = options.substr(0, comma);
        if (!option.empty()) TRY(set_option(context.get(), type, option));
        options = comma == std::string_view::npos ? std::string_view() : options.substr(comma + 1);
    }
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return fail(context_error(context.get(), "mount", type));
    long fd = ::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
    if (fd < 0) return fail(context_error(context.get(), "fsmount", type));
    return Fd(static_cast<int>(fd));
}

namespace {
/// A value of any length for fsconfig, which takes 255 bytes: longer paths go by descriptor.
Result<void> set_path(int context, const char* key, const std::string& path) {
    Fd held;
    std::string value = path;
    if (path.size() >= 256) {
        held = Fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!held) return fail_errno("open", path);
        value = concat("/proc/self/fd/", held.get());
    }
    if (::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value.c_str(), 0) < 0)
        return fail(context_error(context, "overlay option", concat(std::string_view(key), '=', path)));
    return {};
}

/// userxattr excludes any say about redirect_dir; there it is off by itself.
std::vector<const char*> overlay_switches(bool user_namespace) {
    if (user_namespace) return {"index", "metacopy"};
    return {"index", "metacopy", "redirect_dir"};
}

/// The legacy form: ':' between lowers, so ':' and '\\' in paths are escaped, and ',' too.
std::string overlay_data(const OverlayDirectories& directories, bool user_namespace) {
    auto escaped = [](const std::string& path) {
        std::string out;
        for (char c : path) {
            if (c == ':' || c == ',' || c == '\\') out.push_back('\\');
            out.push_back(c);
        }
        return out;
    };
    std::string data = "lowerdir=";
    for (size_t i = 0; i < directories.lower.size(); i++) data += concat(i > 0 ? ":" : "", escaped(directories.lower[i]));
    if (!directories.upper.empty()) data += concat(",upperdir=", escaped(directories.upper), ",workdir=", escaped(directories.work));
    for (auto name : overlay_switches(user_namespace)) data += concat(',', std::string_view(name), "=off");
    return user_namespace ? data + ",userxattr" : data;
}

/// nullopt in `supported` when the kernel has no lowerdir+ yet.
Result<Fd> new_overlay(const OverlayDirectories& directories, bool user_namespace, bool& supported) {
    supported = true;
    Fd context(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!context) {
        if (errno == ENODEV) return fail(ErrorKind::Unsupported, "file system type overlay is not known to this kernel", ENODEV);
        return fail_errno("fsopen", "overlay");
    }
    ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "source", "overlay", 0);
    for (size_t i = 0; i < directories.lower.size(); i++) {
        auto set = set_path(context.get(), "lowerdir+", directories.lower[i]);
        if (set) continue;
        supported = i > 0 || set.error().number() != EINVAL;
        return fail(std::move(set).error());
    }
    if (!directories.upper.empty()) {
        TRY(set_path(context.get(), "upperdir", directories.upper));
        TRY(set_path(context.get(), "workdir", directories.work));
    }
    for (auto name : overlay_switches(user_namespace))
        if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, name, "off", 0) < 0)
            return fail(context_error(context.get(), "overlay option", name));
    if (user_namespace) ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0);
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return fail(context_error(context.get(), "mount", "overlay"));
    Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mount) return fail(context_error(context.get(), "fsmount", "overlay"));
    return mount;
}
}  // namespace

namespace {
/// Asking a kernel that does not know lowerdir+ leaves a line in its log each time.
bool may_know_single_layers() {
    utsname name{};
    if (::uname(&name) < 0) return true;
    auto pieces = split(name.release, '.');
    auto major = parse_uint(pieces[0]), minor = pieces.size() > 1 ? parse_uint(pieces[1]) : std::nullopt;
    return !major || !minor || std::pair(*major, *minor) >= std::pair<uint64_t, uint64_t>(6, 5);
}

/// mount(2) takes one page of options: the directories by descriptors, whose names are short.
Result<std::string> short_overlay_data(const OverlayDirectories& directories, bool user_namespace, std::vector<Fd>& keep) {
    OverlayDirectories by_descriptor;
    auto name = [&](const std::string& path) -> Result<std::string> {
        keep.push_back(TRY(open_file(path, O_PATH | O_DIRECTORY)));
        return concat("/proc/self/fd/", keep.back().get());
    };
    for (auto& path : directories.lower) by_descriptor.lower.push_back(TRY(name(path)));
    if (!directories.upper.empty()) {
        by_descriptor.upper = TRY(name(directories.upper));
        by_descriptor.work = TRY(name(directories.work));
    }
    return overlay_data(by_descriptor, user_namespace);
}
}  // namespace

Result<Fd> mount_overlay(const OverlayDirectories& directories, int target, bool user_namespace, std::string_view subject) {
    constexpr size_t kPage = 4096;
    if (may_know_single_layers()) {
        bool supported = false;
        auto mounted = new_overlay(directories, user_namespace, supported);
        if (mounted) TRY(move_mount(mounted->get(), target, subject));
        if (mounted || supported) return mounted;
    }
    std::vector<Fd> keep;
    std::string data = overlay_data(directories, user_namespace);
    if (data.size() >= kPage) data = TRY_WRAP(concat("overlay on ", subject), short_overlay_data(directories, user_namespace, keep));
    if (data.size() >= kPage)
        return fail(ErrorKind::InvalidArgument, concat("overlay on ", subject, ": ", directories.lower.size(), " layers are too many for this kernel"));
    TRY(mount_onto(target, "overlay", "overlay", 0, data, subject));
    // The descriptor still means what lies below; only a walk along the path steps onto what was mounted there.
    Fd root = TRY(open_file(TRY(read_link(concat("/proc/self/fd/", target))), O_PATH | O_DIRECTORY));
    if (TRY(filesystem_magic(root.get())) != OVERLAYFS_SUPER_MAGIC) return fail(ErrorKind::Internal, concat("the overlay on ", subject, " cannot be found again"));
    return root;
}

namespace {
/// mount(2) needs a place in the tree of somebody: a thread's own, which ends with it, while the clone of the mount stays.
Result<Fd> overlay_of_thread(const OverlayDirectories& directories, const std::string& scratch) {
    Result<Fd> made = Fd();
    std::thread maker([&] {
        made = [&]() -> Result<Fd> {
            if (::unshare(CLONE_FS | CLONE_NEWNS) < 0) return fail_errno("unshare", "mount namespace");
            TRY(change_propagation("/", MS_PRIVATE | MS_REC));
            Fd target = TRY(open_file(scratch, O_PATH | O_DIRECTORY));
            Fd root = TRY(mount_overlay(directories, target.get(), false, scratch));
            return clone_tree(root.get(), false, scratch);
        }();
    });
    maker.join();
    return made;
}
}  // namespace

Result<Fd> detached_overlay(const OverlayDirectories& directories, const std::string& scratch, bool legacy) {
    if (!legacy && may_know_single_layers()) {
        bool supported = false;
        auto mounted = new_overlay(directories, false, supported);
        if (mounted || supported) return mounted;
    }
    return overlay_of_thread(directories, scratch);
}

Result<void> move_mount(int tree, int target, std::string_view subject) {
    if (::syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail_errno("move_mount to", subject);
    return {};
}

Result<void> change_mount(int fd, const MountChange& change, std::string_view subject) {
    mount_attr attributes{};
    attributes.attr_set = change.set;
    attributes.attr_clr = change.clear;
    attributes.propagation = change.propagation;
    if (change.user_namespace >= 0) attributes.userns_fd = static_cast<uint64_t>(change.user_namespace);
    unsigned flags = AT_EMPTY_PATH | (change.recursive ? AT_RECURSIVE : 0u);
    if (::syscall(SYS_mount_setattr, fd, "", flags, &attributes, sizeof attributes) < 0) return fail_errno("mount_setattr", subject);
    return {};
}

namespace {
constexpr struct {
    unsigned long flag;
    uint64_t attribute;
} kAttributes[] = {
    {MS_RDONLY, MOUNT_ATTR_RDONLY}, {MS_NOSUID, MOUNT_ATTR_NOSUID},         {MS_NODEV, MOUNT_ATTR_NODEV},
    {MS_NOEXEC, MOUNT_ATTR_NOEXEC}, {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {256 /* MS_NOSYMFOLLOW */, MOUNT_ATTR_NOSYMFOLLOW},
};
}  // namespace

uint64_t mount_attributes(unsigned long ms_flags) {
    uint64_t attributes = 0;
    for (auto& pair : kAttributes)
        if (ms_flags & pair.flag) attributes |= pair.attribute;
    if (ms_flags & MS_NOATIME) attributes |= MOUNT_ATTR_NOATIME;
    else if (ms_flags & MS_STRICTATIME) attributes |= MOUNT_ATTR_STRICTATIME;
    return attributes;
}

uint64_t mount_attributes_to_clear(unsigned long ms_flags, unsigned long ms_cleared) {
    uint64_t clear = mount_attributes(ms_cleared & ~static_cast<unsigned long>(MS_NOATIME | MS_STRICTATIME | MS_RELATIME));
    if ((ms_flags | ms_cleared) & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)) clear |= MOUNT_ATTR__ATIME;
    return clear;
}

Result<void> mount_onto(int target, const std::string& type, const std::string& source, unsigned long flags, const std::string& data,
                        std::string_view subject) {
    std::string path = concat("/proc/self/fd/", target);
    if (::mount(source.c_str(), path.c_str(), type.c_str(), flags, data.c_str()) < 0)
        return fail_errno("mount", concat(type, " on ", subject));
    return {};
}

Result<void> change_propagation(const std::string& path, unsigned long flags) {
    if (::mount(nullptr, path.c_str(), nullptr, flags, nullptr) < 0) return fail_errno("change mount propagation of", path);
    return {};
}

Result<void> unmount(const std::string& path, int flags) {
    if (::umount2(path.c_str(), flags) < 0 && errno != EINVAL && errno != ENOENT) return fail_errno("umount", path);
    return {};
}

Result<bool> is_mount_point(int fd) {
    struct statx info;
    if (::statx(fd, "", AT_EMPTY_PATH, 0, &info) < 0) return fail_errno("statx");
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<int64_t> filesystem_magic(int fd) {
    struct statfs info;
    if (::fstatfs(fd, &info) < 0) return fail_errno("fstatfs");
    return static_cast<int64_t>(info.f_type);
}

}  // namespace proa::os
