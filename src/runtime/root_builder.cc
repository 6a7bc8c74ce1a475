#include "runtime/root_builder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cgroup/device_filter.h"
#include "cgroup/layout.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"

namespace proa::runtime {

using os::PathInRoot;

unsigned long propagation_flags(Propagation propagation) {
    switch (propagation) {
        case Propagation::Unset: return 0;
        case Propagation::Private: return MS_PRIVATE;
        case Propagation::RecursivePrivate: return MS_PRIVATE | MS_REC;
        case Propagation::Shared: return MS_SHARED;
        case Propagation::RecursiveShared: return MS_SHARED | MS_REC;
        case Propagation::Slave: return MS_SLAVE;
        case Propagation::RecursiveSlave: return MS_SLAVE | MS_REC;
        case Propagation::Unbindable: return MS_UNBINDABLE;
        case Propagation::RecursiveUnbindable: return MS_UNBINDABLE | MS_REC;
    }
    return 0;
}

namespace {
/// The mount point that holds host path `path`: the longest one of mountinfo that is a prefix of it.
Result<std::string> mount_point_of(const std::string& path) {
    std::string real = TRY(os::read_link(concat("/proc/self/fd/", TRY(os::open_file(path, O_PATH)).get())));
    std::string best = "/";
    for (auto& line : split_nonempty(TRY(os::read_file("/proc/self/mountinfo")), '\n')) {
        auto fields = split_fields(line);
        if (fields.size() < 5) continue;
        const std::string& point = fields[4];
        bool holds = real == point || (real.starts_with(point) && real.size() > point.size() && real[point.size()] == '/');
        if (holds && point.size() > best.size()) best = point;
    }
    return best;
}

bool is_shared(Propagation propagation) {
    return propagation == Propagation::Shared || propagation == Propagation::RecursiveShared;
}
}  // namespace

bool devices_must_come_first(const Plan& plan) {
    auto model = cgroup::reduce_device_rules(plan.limits.devices);
    if (!model) return false;  // the rules are refused anyway
    return std::any_of(plan.devices.begin(), plan.devices.end(), [&](const Device& device) {
        return device.type != 'p' && !model->allows(device.type, device.major, device.minor, cgroup::DeviceModel::kMknod);
    });
}

const std::string& RootBuilder::root_place() const {
    // The root of a user namespace may not search the engine's directories. Every procfs has this one, and nobody needs it on the way.
    static const std::string kMappedPlace = "/proc/driver";
    return sources_.root ? kMappedPlace : plan_.root.directory;
}

Result<void> RootBuilder::prepare_propagation() {
    Propagation wanted = plan_.root.propagation;
    // What is unbindable could not be taken apart here any more: that comes last, in enter().
    bool later = wanted == Propagation::Unset || wanted == Propagation::Unbindable || wanted == Propagation::RecursiveUnbindable;
    unsigned long flags = later ? MS_PRIVATE | MS_REC : propagation_flags(wanted);
    TRY(os::change_propagation("/", flags));
    // What we are about to mount must not show up on the host: the mount that holds our mount point becomes private in any case.
    if (is_shared(wanted)) TRY(os::change_propagation(TRY(mount_point_of(root_place())), MS_PRIVATE));
    return {};
}

Result<void> RootBuilder::mount_root() {
    TRY(prepare_propagation());
    null_device_ = TRY(os::open_file("/dev/null", O_PATH | O_NOFOLLOW));
    struct stat st;
    if (::fstat(null_device_.get(), &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return fail(ErrorKind::Internal, "/dev/null of this host is not the null device");
    const Root& root = plan_.root;
    os::Fd target = TRY_WRAP("open the root file system's directory", os::open_file(root_place(), O_PATH | O_DIRECTORY));
    os::Fd mounted;
    if (sources_.root) {
        mounted = TRY(sources_.root.duplicate());
        TRY_WRAP("mount the root file system", os::move_mount(mounted.get(), target.get(), root_place()));
    } else if (root.overlay_lower.empty()) {
        mounted = TRY(os::clone_tree(target.get(), true, root.directory));
        TRY(os::move_mount(mounted.get(), target.get(), root.directory));
    } else {
        os::OverlayDirectories directories{root.overlay_lower, root.overlay_upper, root.overlay_work};
        mounted = TRY_WRAP("mount the root file system", os::mount_overlay(directories, target.get(), user_namespace_, root.directory));
    }
    root_ = os::RootDirectory(std::move(mounted));
    return {};
}

Result<int> RootBuilder::own_proc() {
    if (!proc_) proc_ = TRY(os::new_filesystem("proc", "proc", "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    return proc_.get();
}

Result<void> RootBuilder::mount_all() {
    for (size_t i = 0; i < plan_.mounts.size(); i++) {
        const Mount& mount = plan_.mounts[i];
        auto done = mount_one(mount, i);
        if (!done)
            return fail(std::move(done).error().wrap(concat("error mounting ", quote(mount.source.empty() ? mount.type : mount.source),
                                                            " to rootfs at ", quote(mount.destination))));
    }
    return {};
}

Result<void> RootBuilder::mount_one(const Mount& mount, size_t index) {
    if (mount.is_cgroup) return mount_cgroups(mount);
    if (mount.flags & MS_REMOUNT) return remount(mount);
    if (mount.flags & MS_BIND) return mount_bind(mount, index);
    return mount_filesystem(mount);
}

/// The descriptor of what is mounted over. Missing directories are made; a file system is never put behind a symbolic link at /proc or
/// /sys, because programs and our own masks trust these names (CVE-2019-19921).
Result<os::Fd> RootBuilder::mount_target(const Mount& mount, bool directory) {
    PathInRoot destination(mount.destination);
    if (mount.type == "proc" || mount.type == "sysfs") {
        auto found = root_.link_stat(destination);
        if (found && !S_ISDIR(found->st_mode))
            return fail(ErrorKind::InvalidArgument, concat("filesystem ", quote(mount.type), " must be mounted on ordinary directory"));
    }
    if (directory) return root_.make_directories(destination, 0755);
    auto found = root_.open_path(destination);
    if (found || found.error().number() != ENOENT) return found;
    TRY(root_.make_directories(destination.parent(), 0755));
    return root_.ensure_file(destination, 0644);
}

/// Gives the detached tree its attributes and attaches it. Attributes come first: there is no moment without them.
Result<void> RootBuilder::place(const Mount& mount, os::Fd& tree, int target) {
    os::MountChange change;
    change.set = os::mount_attributes(mount.flags);
    change.clear = os::mount_attributes_to_clear(mount.flags, mount.cleared_flags) & ~(change.set & ~MOUNT_ATTR__ATIME);
    if (mount.flags & MS_BIND && (change.set || change.clear)) TRY(os::change_mount(tree.get(), change, mount.destination));
    if (mount.recursive_set || mount.recursive_clear) {
        os::MountChange recursive{mount.recursive_set, mount.recursive_clear, 0, -1, true};
        if ((mount.recursive_set | mount.recursive_clear) & MOUNT_ATTR__ATIME) recursive.clear |= MOUNT_ATTR__ATIME;
        TRY(os::change_mount(tree.get(), recursive, mount.destination));
    }
    if (mount.recursive_readonly_if_possible) {
        auto done = os::change_mount(tree.get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, true}, mount.destination);
        if (!done && done.error().number() != ENOSYS && done.error().number() != EINVAL) return done;
    }
    if (unsigned long flags = propagation_flags(mount.propagation))
        TRY(os::change_mount(tree.get(), {0, 0, flags & ~static_cast<unsigned long>(MS_REC), -1, (flags & MS_REC) != 0}, mount.destination));
    auto moved = os::move_mount(tree.get(), target, mount.destination);
    if (moved || moved.error().number() != EINVAL) return moved;
    struct stat source, place;
    if (::fstat(tree.get(), &source) < 0 || ::fstat(target, &place) < 0 || S_ISDIR(source.st_mode) == S_ISDIR(place.st_mode)) return moved;
    return fail(ErrorKind::InvalidArgument,
                "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type",
                ENOTDIR);
}

namespace {
/// The only places below /proc that may be replaced by a bind: what lxcfs serves.
bool may_bind_below_proc(const std::string& destination) {
    std::string path = os::clean_path(destination);
    if (path != "/proc" && !path.starts_with("/proc/")) return true;
    static constexpr std::string_view kAllowed[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
                                                    "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"};
    return std::find(std::begin(kAllowed), std::end(kAllowed), path) != std::end(kAllowed);
}
}  // namespace

Result<void> RootBuilder::mount_bind(const Mount& mount, size_t index) {
    bool recursive = (mount.flags & MS_REC) != 0;
    os::Fd tree;
    if (sources_.trees[index]) {
        tree = TRY(sources_.trees[index].duplicate());
    } else {
        tree = TRY(os::clone_tree(AT_FDCWD, mount.source, recursive));
    }
    if (!may_bind_below_proc(mount.destination)) {
        // A whole procfs on /proc is fine (a shared pid namespace); anything else would fool who trusts /proc.
        if (os::clean_path(mount.destination) != "/proc" || TRY(os::filesystem_magic(tree.get())) != PROC_SUPER_MAGIC)
            return fail(ErrorKind::InvalidArgument, concat(quote(mount.destination), " cannot be mounted because it is inside /proc"));
    }
    if (index < sources_.user_namespaces.size() && sources_.user_namespaces[index])
        TRY(os::change_mount(tree.get(), {MOUNT_ATTR_IDMAP, 0, 0, sources_.user_namespaces[index].get(), mount.map_recursively}, mount.destination));
    struct stat st;
    if (::fstat(tree.get(), &st) < 0) return fail_errno("stat", mount.source);
    os::Fd target = TRY(mount_target(mount, S_ISDIR(st.st_mode)));
    return place(mount, tree, target.get());
}

namespace {
/// The super block's share of mount(2)'s flags, as words for fsconfig.
std::string superblock_options(const Mount& mount) {
    std::string options;
    auto add = [&](std::string_view word) { options += concat(options.empty() ? "" : ",", word); };
    if (mount.flags & MS_SYNCHRONOUS) add("sync");
    if (mount.flags & MS_DIRSYNC) add("dirsync");
    if (mount.flags & MS_LAZYTIME) add("lazytime");
    if (mount.flags & MS_MANDLOCK) add("mand");
    // Kernel file systems share one super block, which must not turn read-only for all; a disk must not be written at all.
    bool shared = mount.type == "proc" || mount.type == "sysfs" || mount.type == "mqueue" || mount.type.starts_with("cgroup") || mount.type == "devpts";
    if (mount.flags & MS_RDONLY && !shared && !mount.copy_up) add("ro");
    if (!mount.data.empty()) add(mount.data);
    return options;
}

bool has_option(std::string_view options, std::string_view key) {
    for (auto& option : split_nonempty(options, ','))
        if (option == key || (option.starts_with(key) && option.size() > key.size() && option[key.size()] == '=')) return true;
    return false;
}

std::string octal(unsigned mode) {
    std::string text;
    for (int shift = 9; shift >= 0; shift -= 3) text.push_back(static_cast<char>('0' + (mode >> shift & 7)));
    return text;
}
}  // namespace

namespace {
/// The mode and owner that the options of a tmpfs name win over those of the directory that was copied up.
Result<void> keep_asked_attributes(int directory, std::string_view options) {
    uid_t uid = static_cast<uid_t>(-1);
    gid_t gid = static_cast<gid_t>(-1);
    for (auto& option : split_nonempty(options, ',')) {
        auto parts = cut(option, "=");
        if (!parts) continue;
        auto [name, value] = *parts;
        if (auto mode = parse_uint(value, 8); name == "mode" && mode && ::fchmod(directory, static_cast<mode_t>(*mode)) < 0) return fail_errno("chmod");
        if (name == "uid") uid = static_cast<uid_t>(parse_uint(value).value_or(uid));
        if (name == "gid") gid = static_cast<gid_t>(parse_uint(value).value_or(gid));
    }
    if (::fchown(directory, uid, gid) < 0) return fail_errno("chown");
    return {};
}
}  // namespace

Result<void> RootBuilder::mount_filesystem(const Mount& mount) {
    bool existed = mount.type == "tmpfs" && root_.stat(PathInRoot(mount.destination)).has_value();
    os::Fd target = TRY(mount_target(mount, true));
    std::string options = superblock_options(mount);
    if (existed && !has_option(mount.data, "mode")) {  // what stands there keeps its permissions: /tmp stays 1777
        struct stat st;
        if (::fstat(target.get(), &st) == 0) options += concat(options.empty() ? "" : ",", "mode=", octal(st.st_mode & 07777));
    }
    uint64_t attributes = os::mount_attributes(mount.flags);
    auto made = os::new_filesystem(mount.type, mount.source, options, mount.copy_up ? attributes & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY) : attributes);
    if (!made && made.error().number() == E2BIG) {
        TRY(os::mount_onto(target.get(), mount.type, mount.source, mount.flags, mount.data, mount.destination));
        if (unsigned long flags = propagation_flags(mount.propagation))
            return os::change_mount(TRY(root_.open_path(PathInRoot(mount.destination))).get(), {0, 0, flags & ~static_cast<unsigned long>(MS_REC), -1, (flags & MS_REC) != 0}, mount.destination);
        return {};
    }
    if (!made && mount.type == "sysfs" && (made.error().number() == EPERM || made.error().number() == EBUSY) && (user_namespace_ || os::in_user_namespace())) {
        // A user namespace that does not own the network namespace may not make a new sysfs: the host's, read-only, stands in.
        os::Fd host = TRY(os::clone_tree(AT_FDCWD, "/sys", true));
        TRY(os::change_mount(host.get(), {MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, 0, -1, true}, mount.destination));
        return os::move_mount(host.get(), target.get(), mount.destination);
    }
    if (!made) return fail(std::move(made).error());
    os::Fd tree = std::move(*made);
    if (mount.copy_up && !existed) {  // nothing to copy, and the mode is tmpfs' own
        if (mount.flags & MS_RDONLY) TRY(os::change_mount(tree.get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, false}, mount.destination));
    } else if (mount.copy_up) {
        os::Fd from = TRY(root_.open(PathInRoot(mount.destination), O_RDONLY | O_DIRECTORY));
        os::Fd to(::openat(tree.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!to) return fail_errno("open", mount.destination);
        TRY_WRAP("copy up", copy_tree(from.get(), to.get()));
        TRY_WRAP(std::string_view(mount.destination), keep_asked_attributes(to.get(), mount.data));
        if (mount.flags & MS_RDONLY) TRY(os::change_mount(tree.get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, false}, mount.destination));
    }
    if (mount.type == "proc" && !proc_ && !(mount.flags & MS_RDONLY)) proc_ = TRY(tree.duplicate());
    if (os::clean_path(mount.destination) == "/dev") {
        devices_ = TRY(tree.duplicate());
        device_directory_is_ours_ = true;
    }
    return place(mount, tree, target.get());
}

Result<void> RootBuilder::remount(const Mount& mount) {
    os::Fd target = TRY(root_.open_path(PathInRoot(mount.destination)));
    os::MountChange change;
    change.set = os::mount_attributes(mount.flags);
    change.clear = os::mount_attributes_to_clear(mount.flags, mount.cleared_flags) & ~(change.set & ~MOUNT_ATTR__ATIME);
    change.set |= mount.recursive_set;
    change.clear |= mount.recursive_clear;
    change.recursive = mount.recursive_set || mount.recursive_clear;
    if (!mount.data.empty()) return fail(ErrorKind::Unsupported, "remount with options of the file system");
    return os::change_mount(target.get(), change, mount.destination);
}

Result<void> RootBuilder::mount_cgroups(const Mount& mount) {
    const cgroup::Layout& layout = *TRY(cgroup::layout());
    os::Fd target = TRY(mount_target(mount, true));
    uint64_t attributes = os::mount_attributes(mount.flags);
    // Bound from the host's own mounts: inside a cgroup namespace the container's group is their root, and no second super block option
    // (nsdelegate, favordynmods) can be changed from here.
    auto bind = [&](const std::string& source, int onto) -> Result<void> {
        os::Fd tree = TRY(os::clone_tree(AT_FDCWD, source, false));
        TRY(os::change_mount(tree.get(), {attributes, 0, 0, -1, false}, source));
        return os::move_mount(tree.get(), onto, mount.destination);
    };
    if (layout.version == cgroup::Version::V2) {
        const std::string& point = layout.unified()->mount_point;
        return bind(cgroup_namespace_ && !plan_.cgroup_path.empty() ? point + plan_.cgroup_path : point, target.get());
    }
    os::Fd tree = TRY(os::new_filesystem("tmpfs", "tmpfs", "mode=755", attributes & ~static_cast<uint64_t>(MOUNT_ATTR_RDONLY)));
    TRY(os::move_mount(tree.get(), target.get(), mount.destination));
    std::string own_groups = plan_.cgroup_path.empty() ? TRY(os::read_file("/proc/self/cgroup")) : "";
    for (auto& hierarchy : layout.hierarchies) {
        std::string name = os::base_name(hierarchy.mount_point);
        if (::mkdirat(tree.get(), name.c_str(), 0755) < 0) return fail_errno("mkdir", name);
        os::Fd onto(::openat(tree.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!onto) return fail_errno("open", name);
        std::string path = plan_.cgroup_path.empty() ? cgroup::path_in_hierarchy(own_groups, hierarchy) : plan_.cgroup_path;
        TRY(bind(hierarchy.mount_point + (path == "/" ? "" : path), onto.get()));
        // "cpu,cpuacct" is also known as "cpu" and as "cpuacct".
        if (name.find(',') != std::string::npos)
            for (auto& controller : hierarchy.controllers)
                if (::symlinkat(name.c_str(), tree.get(), controller.c_str()) < 0 && errno != EEXIST) return fail_errno("symlink", controller);
    }
    if (mount.flags & MS_RDONLY) TRY(os::change_mount(tree.get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, false}, mount.destination));
    return {};
}

Result<void> RootBuilder::make_devices() {
    for (auto& device : plan_.devices) TRY(make_device(device));
    bool bound = std::any_of(plan_.mounts.begin(), plan_.mounts.end(), [](const Mount& mount) {
        return mount.flags & MS_BIND && os::clean_path(mount.destination) == "/dev";
    });
    if (!bound) TRY_WRAP("make device links", make_device_links());
    return {};
}

namespace {
/// mknod is not for user namespaces: the host's node is bound.
Result<void> bind_device(const Device& device, int directory, const std::string& name, mode_t type, dev_t number) {
    int fd = ::openat(directory, name.c_str(), O_CREAT | O_NOFOLLOW | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    if (fd < 0) return fail_errno("create device", device.path);
    os::Fd file(fd);
    os::Fd tree = TRY(os::clone_tree(AT_FDCWD, device.source.empty() ? device.path : device.source, false));
    struct stat st;
    if (::fstat(tree.get(), &st) < 0 || (st.st_mode & S_IFMT) != type || st.st_rdev != number)
        return fail(ErrorKind::InvalidArgument, concat("device ", device.path, " of this host is another one than wanted"));
    return os::move_mount(tree.get(), file.get(), device.path);
}
}  // namespace

Result<void> RootBuilder::make_device(const Device& device) {
    mode_t type = device.type == 'b' ? S_IFBLK : device.type == 'p' ? S_IFIFO : S_IFCHR;
    dev_t number = device.type == 'p' ? 0 : makedev(device.major, device.minor);
    // Nodes directly in our own /dev tmpfs, which nobody else has seen, need no path walk.
    std::string_view name = device.path;
    bool direct = devices_ && name.starts_with("/dev/") && name.find('/', 5) == std::string_view::npos && name.size() > 5 && name != "/dev/." && name != "/dev/..";
    os::Parent parent;
    if (direct) {
        parent.name = name.substr(5);
    } else {
        PathInRoot path(device.path);
        TRY(root_.make_directories(path.parent(), 0755));
        parent = TRY(root_.open_parent(path));
    }
    int directory = direct ? devices_.get() : parent.directory.get();
    if (user_namespace_ && device.type != 'p') return bind_device(device, directory, parent.name, type, number);
    if (::mknodat(directory, parent.name.c_str(), type | (device.mode & 07777), number) < 0) {
        if (errno == EPERM && device.type != 'p' && os::in_user_namespace()) return bind_device(device, directory, parent.name, type, number);
        if (errno != EEXIST) return fail_errno("mknod", device.path);
        struct stat st;
        if (::fstatat(directory, parent.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("stat", device.path);
        if ((st.st_mode & S_IFMT) != type || st.st_rdev != number)
            return fail(ErrorKind::Conflict, concat("device ", device.path, " exists and is another one than wanted"), EEXIST);
        return {};
    }
    if ((device.uid || device.gid) && ::fchownat(directory, parent.name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno("chown", device.path);
    return {};
}

Result<void> RootBuilder::make_device_links() {
    static constexpr struct {
        const char *name, *target;
    } kLinks[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"}};
    os::Fd found;
    int directory = devices_.get();
    if (directory < 0) {
        found = TRY(root_.make_directories(PathInRoot("/dev"), 0755));
        directory = found.get();
    }
    for (auto& link : kLinks)
        if (::symlinkat(link.target, directory, link.name) < 0 && errno != EEXIST) return fail_errno("symlink", link.name);
    if (::symlinkat("pts/ptmx", directory, "ptmx") == 0) return {};
    if (errno != EEXIST) return fail_errno("symlink", "ptmx");
    // An image's own /dev/ptmx node would lead to the host's pseudo terminals.
    if (device_directory_is_ours_) return {};
    if (::unlinkat(directory, "ptmx", 0) < 0 || ::symlinkat("pts/ptmx", directory, "ptmx") < 0) return fail_errno("symlink", "ptmx");
    return {};
}

Result<void> RootBuilder::write_sysctls() {
    if (plan_.sysctls.empty()) return {};
    int proc = TRY(own_proc());
    struct stat st;
    if (TRY(os::filesystem_magic(proc)) != PROC_SUPER_MAGIC || ::fstat(proc, &st) < 0 || st.st_ino != 1)
        return fail(ErrorKind::Internal, "the new procfs is none");
    os::RootDirectory tree(TRY(os::duplicate(proc)), os::Scope::NoLinks);
    for (auto& sysctl : plan_.sysctls) {
        // Dots separate, but a part may hold dots that were written as slashes: net.ipv4.conf.eth0/100.forwarding
        std::string path = sysctl.name;
        if (path.find('/') == std::string::npos || path.find('.') < path.find('/'))
            for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
        for (auto& piece : split(path, '/'))  // "net/../kernel/..." would leave the part of the tree that its name promises
            if (piece.empty() || piece == "." || piece == "..") return fail(ErrorKind::InvalidArgument, concat("sysctl key ", quote(sysctl.name), " is malformed"));
        auto file = tree.open(PathInRoot("sys/" + path), O_WRONLY | O_NOFOLLOW);
        if (!file) return fail(std::move(file).error().wrap(concat("write sysctl key ", sysctl.name)));
        if (TRY(os::filesystem_magic(file->get())) != PROC_SUPER_MAGIC) return fail(ErrorKind::Internal, concat("sysctl ", sysctl.name, " is not in procfs"));
        if (::write(file->get(), sysctl.value.data(), sysctl.value.size()) < 0)
            return fail_errno("write sysctl key", concat(sysctl.name, " value ", quote(sysctl.value)));
    }
    return {};
}

Result<void> RootBuilder::make_working_directory() {
    if (!plan_.process.create_cwd) return {};
    auto made = root_.make_directories(PathInRoot(plan_.process.cwd), 0755);
    // Something else may stand there: the change of directory will name it. A read-only place is no error when it is not needed.
    (void)made;
    return {};
}

Result<void> RootBuilder::mask(const std::string& path, os::Fd& empty_directory) {
    auto target = root_.open_path(PathInRoot(path));
    if (!target) {
        int number = target.error().number();
        if (number == ENOENT || number == ENOTDIR) return {};
        return fail(std::move(target).error().wrap("mask"));
    }
    struct stat st;
    if (::fstat(target->get(), &st) < 0) return fail_errno("stat", path);
    os::Fd tree;
    if (!S_ISDIR(st.st_mode)) {
        tree = TRY(os::clone_tree(null_device_.get(), false, "/dev/null"));
        // The clone must still be the device that was checked at the start.
        if (::fstat(tree.get(), &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return fail(ErrorKind::Internal, "the null device was replaced");
    } else if (empty_directory) {
        tree = TRY(os::clone_tree(empty_directory.get(), false, path));
    } else {
        tree = TRY(os::new_filesystem("tmpfs", "tmpfs", "ro,size=0k,nr_inodes=2,mode=755", MOUNT_ATTR_RDONLY));
        empty_directory = TRY(tree.duplicate());
    }
    return os::move_mount(tree.get(), target->get(), path);
}

Result<void> RootBuilder::make_readonly(const std::string& path) {
    auto target = root_.open_path(PathInRoot(path));
    if (!target) {
        int number = target.error().number();
        if (number == ENOENT || number == ENOTDIR) return {};
        return fail(std::move(target).error().wrap("make read-only"));
    }
    os::Fd tree = TRY(os::clone_tree(target->get(), true, path));
    TRY(os::change_mount(tree.get(), {MOUNT_ATTR_RDONLY, 0, 0, -1, true}, path));
    return os::move_mount(tree.get(), target->get(), path);
}

Result<void> RootBuilder::hide_paths() {
    for (auto& path : plan_.readonly_paths) TRY(make_readonly(path));
    os::Fd empty_directory;
    for (auto& path : plan_.masked_paths) TRY(mask(path, empty_directory));
    if (plan_.root.readonly) TRY(os::change_mount(root_.fd(), {MOUNT_ATTR_RDONLY, 0, 0, -1, false}, "/"));
    return {};
}

Result<void> RootBuilder::enter() {
    os::Fd old = TRY(os::open_file("/", O_PATH | O_DIRECTORY));
    if (::fchdir(root_.fd()) < 0) return fail_errno("chdir", plan_.root.directory);
    if (plan_.root.no_pivot) {
        // The initial ramfs cannot be pivoted away: move the root over "/" and stay inside it.
        if (::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0) return fail_errno("move the root file system to", "/");
        if (::chroot(".") < 0) return fail_errno("chroot", plan_.root.directory);
        if (::chdir("/") < 0) return fail_errno("chdir", "/");
    } else {
        if (::syscall(SYS_pivot_root, ".", ".") < 0) return fail_errno("pivot_root", plan_.root.directory);
        // The old root now lies over the new one. Cut it off from the host first, or its unmounting would reach the host.
        if (::fchdir(old.get()) < 0) return fail_errno("chdir", "the old root");
        TRY(os::change_propagation(".", MS_SLAVE | MS_REC));
        if (::umount2(".", MNT_DETACH) < 0) return fail_errno("umount", "the old root");
        if (::chdir("/") < 0) return fail_errno("chdir", "/");
    }
    if (is_shared(plan_.root.propagation) || plan_.root.propagation == Propagation::Unbindable || plan_.root.propagation == Propagation::RecursiveUnbindable)
        TRY(os::change_propagation("/", propagation_flags(plan_.root.propagation)));
    return {};
}

}  // namespace proa::runtime
