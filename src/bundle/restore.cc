#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/text.h"
#include "bundle/checkpoint.h"
#include "bundle/config.h"
#include "bundle/criu.h"
#include "bundle/hand_over.h"
#include "bundle/new_container.h"
#include "cgroup/scope.h"
#include "os/file.h"
#include "os/path_in_root.h"
#include "os/process.h"

namespace proa::bundle {

namespace {
/// criu wants the root to be a mount of its own: one that nobody else sees, for as long as criu runs.
class RootMount {
public:
    static Result<RootMount> at(const std::string& rootfs, std::string place) {
        RootMount made;
        TRY(os::make_directory(place, 0700));
        made.place_ = std::move(place);
        if (::mount(rootfs.c_str(), made.place_.c_str(), nullptr, MS_BIND | MS_REC, nullptr) < 0) return fail_errno("bind the root of the container", rootfs);
        made.mounted_ = true;
        if (::mount(nullptr, made.place_.c_str(), nullptr, MS_PRIVATE | MS_REC, nullptr) < 0) return fail_errno("make private", made.place_);
        return made;
    }
    RootMount(RootMount&& other) noexcept : place_(std::exchange(other.place_, {})), mounted_(other.mounted_) {}
    RootMount& operator=(RootMount&&) = delete;
    ~RootMount() {
        if (place_.empty()) return;
        if (mounted_) (void)::umount2(place_.c_str(), MNT_DETACH);
        (void)::rmdir(place_.c_str());
    }
    const std::string& path() const { return place_; }

private:
    RootMount() = default;
    std::string place_;
    bool mounted_ = false;
};

/// A checkpoint may meet a fresh root: what is mounted on must be there. Below other mounts it came with them.
Result<void> make_mount_points(const std::string& rootfs, const json::Value& config, const std::vector<ExternalMount>& mounts) {
    auto root = TRY(os::RootDirectory::at(rootfs));
    auto below_another = [&](const std::string& path) {
        for (auto& mount : config["mounts"].as_array()) {
            std::string other = os::clean_path(concat('/', mount["destination"].as_string()));
            if (other != "/" && path.starts_with(other + "/")) return true;
        }
        return false;
    };
    for (auto& mount : mounts) {
        if (mount.masks || below_another(mount.destination)) continue;
        os::PathInRoot target(mount.destination);
        if (root.stat(target)) continue;
        if (os::is_directory(mount.source)) {
            TRY_WRAP(concat("make mount point ", mount.destination), root.make_directories(target, 0755));
            continue;
        }
        TRY_WRAP(concat("make mount point ", mount.destination), root.make_directories(target.parent(), 0755));
        TRY_WRAP(concat("make mount point ", mount.destination), root.open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    }
    return {};
}

/// Into the container's cgroup: criu stands there and so does all that it makes. Device rules hold at once, the other limits later: criu needs
/// more than its container.
Result<void> enter_group(const runtime::Plan& plan, pid_t pid) {
    if (plan.cgroup_path.empty()) return {};
    if (!plan.cgroup_scope.name.empty()) TRY(cgroup::start_scope(plan.cgroup_scope, plan.cgroup_path, pid, concat("Proa container ", plan.container_id)));
    auto group = TRY(cgroup::Group::create(plan.cgroup_path));
    TRY(group.apply_devices(plan.limits.devices));
    return group.attach(pid);
}

/// Streams and namespaces that are not in the files come from us, under the names that they had at the checkpoint.
Result<std::vector<os::Fd>> add_inherited(const std::string& images, const json::Value& config, CriuRun& run) {
    constexpr int kFirst = 200;  // above all that is open
    std::vector<os::Fd> opened;
    int next = kFirst;
    auto inherit = [&](int ours, const std::string& name) {
        run.descriptors.push_back({ours, next});
        run.words.insert(run.words.end(), {"--inherit-fd", concat("fd[", next++, "]:", name)});
    };
    auto text = os::read_file(images + "/descriptors.json", 1 << 20);
    json::Value streams = text ? TRY_WRAP("descriptors.json", json::parse(*text)) : json::Value();
    for (int number = 0; number < 3; number++) {
        std::string name =
            static_cast<size_t>(number) < streams.as_array().size() ? std::string(streams.as_array()[static_cast<size_t>(number)].as_string()) : "";
        if (name.starts_with("pipe:") || name.starts_with("file[")) inherit(number, name);
    }
    for (auto& [kind, name] : {std::pair{"network", "extRootNetNS"}, {"pid", "extRootPidNS"}}) {
        std::string path = joined_namespace(config, kind);
        if (path.empty()) continue;
        opened.push_back(TRY(os::open_file(path, O_RDONLY)));
        inherit(opened.back().get(), name);
    }
    return opened;
}

Result<void> check_restorable(const json::Value& config) {
    if (config["process"]["terminal"].as_bool()) return fail(ErrorKind::Unsupported, "a container with a terminal cannot be restored");
    for (auto kind : {"prestart", "createRuntime"})
        if (!config["hooks"][kind].as_array().empty())
            return fail(ErrorKind::Unsupported, concat("hooks.", std::string_view(kind), " cannot be run at a restore: they prepare a container that is new"));
    return {};
}

/// Runs criu; the pid of what is the init again.
Result<pid_t> make_again(const RestoreOptions& options, const NewContainer& made, const std::string& program, const std::string& images,
                         const std::string& work) {
    auto& flags = options.flags;
    json::Value config = TRY(made.directory.config());
    TRY(check_restorable(config));
    auto mounts = external_mounts(config);
    TRY(make_mount_points(made.state.rootfs, config, mounts));
    RootMount root = TRY(RootMount::at(made.state.rootfs, made.directory.file("criu-root")));
    std::string pid_file = made.directory.file("criu.pid");
    CriuRun run;
    run.log = work + "/restore.log";
    run.words = {program,      "restore",   "--restore-detached", "--images-dir", images,
                 "--work-dir", work,        "--log-file",         "restore.log",  "-v4",
                 "--root",     root.path(), "--pidfile",          pid_file,       "--manage-cgroups=" + flags.text("manage-cgroups-mode", "ignore")};
    pass_criu_flags(flags, {"tcp-established", "ext-unix-sk", "shell-job", "file-locks", "lazy-pages", "auto-dedup", "link-remap"}, run.words);
    for (auto name : {"empty-ns", "lsm-profile", "lsm-mount-context"})
        if (flags.has(name)) run.words.insert(run.words.end(), {concat("--", std::string_view(name)), flags.text(name)});
    std::set<std::string> keys;
    for (auto& mount : mounts)
        if (keys.insert(mount.key).second) run.words.insert(run.words.end(), {"--external", concat("mnt[", mount.key, "]:", mount.source)});
    auto spaces = TRY(add_inherited(images, config, run));
    run.no_new_privileges = config["process"]["noNewPrivileges"].as_bool();
    run.before = [&](pid_t pid) { return enter_group(made.plan, pid); };
    TRY(run_criu(run));
    auto pid = parse_int(trim(TRY(os::read_file(pid_file, 64))));
    (void)os::remove_file(pid_file);
    if (!pid || *pid <= 0) return fail(ErrorKind::Internal, "criu has told no process");
    return static_cast<pid_t>(*pid);
}
}  // namespace

Result<int> restore_container(const RestoreOptions& options) {
    std::string program = TRY(find_criu(options.criu));
    auto absolute = [](const std::string& path) { return path.starts_with('/') ? path : os::join_path(os::read_link("/proc/self/cwd").value_or("/"), path); };
    std::string images = absolute(options.flags.text("image-path", "checkpoint")), work = absolute(options.flags.text("work-path", images));
    if (!os::is_directory(images)) return fail(ErrorKind::NotFound, concat("there is no checkpoint in ", images));
    TRY(os::make_directories(work, 0700));
    // criu is not the parent of what it made: whoever reaps orphans is.
    if (!options.create.detach && !options.create.no_subreaper && ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return fail_errno("prctl");
    NewContainer made = TRY(prepare_container(options.create));
    runtime::Init init;
    auto restored = [&]() -> Result<void> {
        init.pid = TRY_WRAP("restore", make_again(options, made, program, images, work));
        init.pidfd = TRY(os::open_pidfd(init.pid));
        if (!made.plan.cgroup_path.empty()) TRY(TRY(group_of(made.state)).apply_without_devices(made.plan.limits));
        return note_init(made, init, options.create.hand_over);
    }();
    if (!restored) {
        undo_container(made, init);
        return fail(std::move(restored).error());
    }
    if (options.create.detach) return 0;
    int code = TRY(attend_process(init));
    TRY(clean_up_container(made.directory, made.state));
    return code;
}

}  // namespace proa::bundle
