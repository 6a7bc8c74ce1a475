#pragma once
#include <string>
#include <vector>

#include "os/path_in_root.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

namespace proa::runtime {

/// What the starter opened for the plan's mounts before the init existed.
struct MountSources {
    os::Fd root;                          ///< with Root::mapped_directory: the overlay, detached
    std::vector<os::Fd> trees;            ///< per mount: a detached clone of Streams::descriptors[mount.descriptor] or of its source, or empty
    std::vector<os::Fd> user_namespaces;  ///< per mount: the namespace whose maps an idmapped mount uses, or empty
};

/// Builds the container's file system view in the calling process, which is alone in a new mount namespace that still shows the
/// host's tree. Steps in order: mount_root(), mount_all(), make_devices(), [open_console()], hide_paths(), enter(). Everything below
/// the root goes through descriptors (C3); errors carry runc's "error mounting ..." words.
class RootBuilder {
public:
    RootBuilder(const Plan& plan, const MountSources& sources, bool user_namespace, bool cgroup_namespace)
        : plan_(plan), sources_(sources), user_namespace_(user_namespace), cgroup_namespace_(cgroup_namespace) {}

    Result<void> mount_root();
    Result<void> mount_all();
    Result<void> make_devices();
    /// Opens a pty of the container's devpts, whose slave is also put on /dev/console. `slave` by TIOCGPTPEER (C5).
    struct Console {
        os::Fd master, slave;
    };
    Result<Console> open_console();
    /// Writes the sysctls through a procfs of our own (C4). Call after mount_all().
    Result<void> write_sysctls();
    Result<void> make_working_directory();
    /// Masked and read-only paths, from sources that the container cannot reach (C5); then the read-only root.
    Result<void> hide_paths();
    /// pivot_root(2), or chroot with no_pivot; afterwards "/" is the container's root and the old one is gone.
    Result<void> enter();

    const os::RootDirectory& root() const { return root_; }
    /// A procfs of the container's pid namespace that was opened before anything could be mounted on it.
    Result<int> own_proc();

private:
    const Plan& plan_;
    const MountSources& sources_;
    bool user_namespace_, cgroup_namespace_;
    os::RootDirectory root_;
    os::Fd proc_, devices_;  ///< own detached procfs; the tmpfs on /dev when it is ours
    os::Fd null_device_;
    bool device_directory_is_ours_ = false;

    /// Where the root is mounted until it becomes "/".
    const std::string& root_place() const;
    Result<void> prepare_propagation();
    Result<void> mount_one(const Mount& mount, size_t index);
    Result<void> mount_bind(const Mount& mount, size_t index);
    Result<void> mount_filesystem(const Mount& mount);
    Result<void> mount_cgroups(const Mount& mount);
    Result<void> remount(const Mount& mount);
    Result<os::Fd> mount_target(const Mount& mount, bool directory);
    Result<void> place(const Mount& mount, os::Fd& tree, int target);
    Result<void> make_device(const Device& device);
    Result<void> make_device_links();
    Result<void> mask(const std::string& path, os::Fd& empty_directory);
    Result<void> make_readonly(const std::string& path);
};

/// Whether the device rules of the plan would hinder the init in making its devices, so that they must come later.
bool devices_must_come_first(const Plan& plan);

/// Copies what is in one directory to another by descriptors: regular files, directories and symbolic links with owner, mode, times and
/// extended attributes; everything else is left out (C8).
Result<void> copy_tree(int from, int to);

}  // namespace proa::runtime
