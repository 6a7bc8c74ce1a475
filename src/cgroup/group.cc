#include "cgroup/group.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "cgroup/kernel_file.h"
#include "cgroup/scope.h"
#include "os/file.h"

namespace proa::cgroup {

namespace {
/// A new cpuset on v1 has neither processors nor memory nodes and takes no task until it gets some.
Result<void> inherit_cpuset(const std::string& directory) {
    for (const char* name : {"cpuset.cpus", "cpuset.mems"}) {
        std::string own = TRY(os::read_file(concat(directory, '/', std::string_view(name))));
        if (!trim(own).empty()) continue;
        std::string parent = TRY(os::read_file(concat(os::directory_of(directory), '/', std::string_view(name))));
        TRY(write_value(concat(directory, '/', std::string_view(name)), trim(parent)));
    }
    return {};
}

Result<void> make_group_directory(const Hierarchy& hierarchy, const std::string& path) {
    std::string directory = hierarchy.mount_point + path;
    if (::mkdir(directory.c_str(), 0755) < 0) {
        if (errno == ENOENT) {
            std::string parent = os::directory_of(path);
            if (parent == "/" || parent == path) return fail_errno("mkdir", directory);
            TRY(make_group_directory(hierarchy, parent));
            return make_group_directory(hierarchy, path);
        }
        if (errno != EEXIST) return fail_errno("mkdir", directory);
        return {};
    }
    if (!hierarchy.unified && hierarchy.has("cpuset")) TRY(inherit_cpuset(directory));
    return {};
}

/// cgroup2: a group shows a controller's files once all its ancestors hand the controller down.
Result<void> hand_down_controllers(const Hierarchy& hierarchy, const std::string& path) {
    if (hierarchy.controllers.empty()) return {};
    std::string directory = hierarchy.mount_point;
    for (auto& piece : split_nonempty(path, '/')) {
        std::string file = directory + "/cgroup.subtree_control";
        std::string enabled = TRY(os::read_file(file));
        auto have = split_fields(enabled);
        for (auto& controller : hierarchy.controllers) {
            if (std::find(have.begin(), have.end(), controller) != have.end()) continue;
            // One at a time: a controller that cannot be handed down (cpu with real-time tasks) must not hold back the others.
            // A limit that needs it fails later by name.
            (void)write_value(file, "+" + controller);
        }
        directory += "/" + piece;
    }
    return {};
}

bool is_clean(const std::string& path) { return path.size() > 1 && path[0] == '/' && os::clean_path(path) == path; }

void pause_briefly(int64_t& nanoseconds) {
    timespec pause{0, nanoseconds};
    ::nanosleep(&pause, nullptr);
    nanoseconds = std::min<int64_t>(nanoseconds * 2, 20'000'000);
}

/// Removes `directory` with its sub-groups.
Result<void> remove_group_tree(const std::string& directory, int64_t deadline) {
    int64_t pause = 200'000;
    for (;;) {
        if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
        if (errno != EBUSY && errno != ENOTEMPTY) return fail_errno("rmdir", directory);
        int number = errno;
        if (auto names = os::list_directory(directory))
            for (auto& name : *names)
                if (os::is_directory(concat(directory, '/', name))) TRY(remove_group_tree(concat(directory, '/', name), deadline));
        if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
        if (monotonic_nanoseconds() > deadline) return fail(errno_error("rmdir", directory, number));
        pause_briefly(pause);
    }
}

void collect_processes(const std::string& directory, std::vector<pid_t>& pids) {
    if (auto text = os::read_file(directory + "/cgroup.procs"))
        for (auto& line : split_fields(*text))
            if (auto pid = parse_int(line)) pids.push_back(static_cast<pid_t>(*pid));
    auto names = os::list_directory(directory);
    if (!names) return;
    for (auto& name : *names)
        if (os::is_directory(concat(directory, '/', name))) collect_processes(concat(directory, '/', name), pids);
}
}  // namespace

Result<Group> Group::at(std::string path) {
    if (!is_clean(path)) return fail(ErrorKind::InvalidArgument, concat("cgroup path ", quote(path), " is not absolute and clean"));
    Group group;
    group.path_ = std::move(path);
    group.layout_ = TRY(cgroup::layout());
    return group;
}

Result<Group> Group::create(std::string path) {
    Group group = TRY(at(std::move(path)));
    for (auto& hierarchy : group.layout_->hierarchies) {
        auto made = make_group_directory(hierarchy, group.path_);
        if (made && hierarchy.unified) made = hand_down_controllers(hierarchy, group.path_);
        if (!made) {
            (void)group.remove();
            return fail(std::move(made).error().wrap("create cgroup"));
        }
    }
    return group;
}

bool Group::exists() const {
    return layout_ && std::any_of(layout_->hierarchies.begin(), layout_->hierarchies.end(),
                                  [&](auto& hierarchy) { return os::is_directory(directory_in(hierarchy)); });
}

std::string Group::directory(std::string_view controller) const {
    const Hierarchy* hierarchy = layout_ ? layout_->find(controller) : nullptr;
    return hierarchy ? directory_in(*hierarchy) : "";
}

std::string Group::unified_directory() const {
    const Hierarchy* hierarchy = layout_ ? layout_->unified() : nullptr;
    return hierarchy ? directory_in(*hierarchy) : "";
}

Result<void> Group::attach(pid_t pid) const {
    for (auto& hierarchy : layout_->hierarchies)
        TRY_WRAP("attach to cgroup", write_value(directory_in(hierarchy) + "/cgroup.procs", concat(pid)));
    return {};
}

Result<void> Group::attach_self_to_v1(const std::vector<NameValue>& overrides) const {
    for (auto& hierarchy : layout_->hierarchies) {
        if (hierarchy.unified) continue;
        std::string directory = directory_in(hierarchy);
        for (auto& item : overrides)
            if (hierarchy.has(item.name)) directory = hierarchy.mount_point + item.value;
        TRY_WRAP("attach to cgroup", write_value(directory + "/tasks", "0"));
    }
    return {};
}

Result<os::Fd> Group::open_unified() const {
    const Hierarchy* hierarchy = layout_->unified();
    if (!hierarchy) return os::Fd();
    return os::open_file(directory_in(*hierarchy), O_PATH | O_DIRECTORY);
}

Result<void> Group::rename(std::string new_path) {
    if (!is_clean(new_path)) return fail(ErrorKind::InvalidArgument, concat("cgroup path ", quote(new_path), " is not absolute and clean"));
    if (layout_->version == Version::V2) return fail(ErrorKind::Unsupported, "a cgroup of version 2 cannot be renamed");
    // kernfs renames only within one directory.
    if (os::directory_of(new_path) != os::directory_of(path_))
        return fail(ErrorKind::InvalidArgument, concat("rename cgroup ", path_, " to ", new_path, ": another parent"));
    for (auto& hierarchy : layout_->hierarchies)
        if (!hierarchy.unified) TRY(os::rename_path(hierarchy.mount_point + path_, hierarchy.mount_point + new_path));
    if (const Hierarchy* unified = layout_->unified()) {
        TRY(make_group_directory(*unified, new_path));
        TRY(hand_down_controllers(*unified, new_path));
        if (::rmdir(directory_in(*unified).c_str()) < 0 && errno != ENOENT) return fail_errno("rmdir", directory_in(*unified));
    }
    path_ = std::move(new_path);
    return {};
}

Result<bool> Group::frozen() const {
    const Hierarchy* v1 = layout_->find("freezer");
    if (v1 && !v1->unified) return trim(TRY(os::read_file(directory_in(*v1) + "/freezer.state"))) != "THAWED";
    if (!layout_->unified()) return fail(ErrorKind::Unsupported, "pause: no hierarchy carries the freezer controller");
    std::string events = TRY(os::read_file(unified_directory() + "/cgroup.events"));
    return events.find("frozen 1") != std::string::npos;
}

Result<void> Group::freeze() const {
    const Hierarchy* v1 = layout_->find("freezer");
    bool old = v1 && !v1->unified;
    if (!old && !layout_->unified()) return fail(ErrorKind::Unsupported, "pause: no hierarchy carries the freezer controller");
    int64_t deadline = monotonic_nanoseconds() + 10'000'000'000, pause = 100'000;
    if (!old) TRY(write_value(unified_directory() + "/cgroup.freeze", "1"));
    for (;;) {
        // On v1 a task that is being forked can slip through; writing again catches it.
        if (old) TRY(write_value(directory_in(*v1) + "/freezer.state", "FROZEN"));
        std::string state = TRY(os::read_file(old ? directory_in(*v1) + "/freezer.state" : unified_directory() + "/cgroup.events"));
        if (old ? trim(state) == "FROZEN" : state.find("frozen 1") != std::string::npos) return {};
        if (monotonic_nanoseconds() > deadline) {
            (void)thaw();
            return fail(ErrorKind::Unavailable, "unable to freeze: tasks did not stop within 10 s");
        }
        pause_briefly(pause);
    }
}

Result<void> Group::thaw() const {
    const Hierarchy* v1 = layout_->find("freezer");
    if (v1 && !v1->unified) return write_value(directory_in(*v1) + "/freezer.state", "THAWED");
    if (!layout_->unified()) return fail(ErrorKind::Unsupported, "unpause: no hierarchy carries the freezer controller");
    return write_value(unified_directory() + "/cgroup.freeze", "0");
}

Result<std::vector<pid_t>> Group::processes() const {
    std::vector<pid_t> pids;
    // The hierarchy that every process of the group is surely in: a v1 one where there are any, else the only one.
    const Hierarchy* chosen = layout_->find("pids");
    if (!chosen || (chosen->unified && layout_->version == Version::Hybrid)) chosen = &layout_->hierarchies.front();
    std::string directory = directory_in(*chosen);
    if (!os::is_directory(directory)) return fail(ErrorKind::NotFound, concat("cgroup ", path_, " does not exist"), ENOENT);
    collect_processes(directory, pids);
    std::sort(pids.begin(), pids.end());
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    return pids;
}

Result<void> Group::signal_all(int signal) const {
    for (pid_t pid : TRY(processes()))
        if (pid > 0 && ::kill(pid, signal) < 0 && errno != ESRCH) return fail_errno("kill", concat(pid));
    return {};
}

Result<void> Group::kill_once() const {
    // cgroup.kill (Linux 5.14) misses nobody; where processes may be outside the cgroup2 twin, signal each as well.
    if (layout_->unified()) (void)write_value(unified_directory() + "/cgroup.kill", "1");
    if (layout_->version == Version::V2 && os::exists(unified_directory() + "/cgroup.kill")) return {};
    return signal_all(SIGKILL);
}

Result<void> Group::kill_all() const {
    int64_t deadline = monotonic_nanoseconds() + 10'000'000'000, pause = 200'000;
    for (;;) {
        auto left = processes();
        if (!left) {
            if (left.error().is(ErrorKind::NotFound)) return {};
            return fail(std::move(left).error());
        }
        if (left->empty()) return {};
        TRY(kill_once());
        const Hierarchy* freezer = layout_->find("freezer");
        if (freezer && !freezer->unified) (void)thaw();  // a frozen task of v1 dies only once it is thawed
        if (monotonic_nanoseconds() > deadline)
            return fail(ErrorKind::Unavailable, concat("cgroup ", path_, ": ", left->size(), " processes did not end within 10 s of SIGKILL"));
        pause_briefly(pause);
    }
}

Result<void> Group::remove() const {
    if (!layout_) return {};
    int64_t deadline = monotonic_nanoseconds() + 1'000'000'000;
    Result<void> first;
    for (auto& hierarchy : layout_->hierarchies) {
        auto removed = remove_group_tree(directory_in(hierarchy), deadline);
        if (!removed && first) first = std::move(removed);
    }
    if (first && path_.ends_with(".scope")) (void)stop_scope_at(path_);  // systemd may be gone, and then nobody minds the unit
    return first;
}

}  // namespace proa::cgroup
