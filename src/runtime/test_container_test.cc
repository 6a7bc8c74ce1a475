#include "runtime/test_container.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/text.h"
#include "cgroup/group.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::runtime::test {

TemporaryDirectory::TemporaryDirectory() {
    char name[] = "/tmp/proa-runtime-XXXXXX";
    path_ = ::mkdtemp(name);
    ::chmod(path_.c_str(), 0755);
}
TemporaryDirectory::~TemporaryDirectory() { (void)os::remove_tree(path_); }
std::string TemporaryDirectory::operator/(std::string_view name) const { return concat(path_, '/', name); }

void make_busybox_root(const std::string& directory) {
    for (auto name : {"bin", "dev", "etc", "proc", "sys", "tmp", "root", "home", "var"}) (void)os::make_directories(concat(directory, '/', std::string_view(name)), 0755);
    ::chmod((directory + "/tmp").c_str(), 01777);
    auto busybox = os::read_file("/usr/bin/busybox");
    if (!busybox) busybox = os::read_file("/bin/busybox");
    (void)os::write_file(directory + "/bin/busybox", *busybox, 0755);
    for (auto name : {"sh", "true", "false", "cat", "echo", "id", "ls", "mount", "sleep", "stat", "env", "pwd", "test", "touch", "mkdir", "grep", "readlink",
                      "hostname", "tty", "stty", "ps", "kill", "dd", "mknod", "chmod", "wc", "head", "sort", "find", "umount", "ip", "ifconfig", "nproc"})
        (void)os::make_symlink("busybox", concat(directory, "/bin/", std::string_view(name)));
    (void)os::write_file(directory + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n", 0644);
    (void)os::write_file(directory + "/etc/group", "root:x:0:root\nwheel:x:10:root\napp:x:1000:\nstaff:x:50:app\naudio:x:29:app,root\n", 0644);
}

Plan docker_plan(const std::string& lower, const std::string& work, std::vector<std::string> args) {
    for (auto name : {"upper", "work", "root"}) (void)os::make_directories(concat(work, '/', std::string_view(name)), 0755);
    Plan plan;
    plan.container_id = random_id();
    for (auto type : {NamespaceType::Mount, NamespaceType::Network, NamespaceType::Pid, NamespaceType::Ipc, NamespaceType::Uts, NamespaceType::Cgroup})
        plan.namespaces.push_back({type, "", -1});
    plan.hostname = "box";
    plan.root.overlay_lower = {lower};
    plan.root.overlay_upper = work + "/upper";
    plan.root.overlay_work = work + "/work";
    plan.root.directory = work + "/root";
    constexpr uint64_t kQuiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    auto add = [&](const char* destination, const char* type, const char* data, uint64_t flags) {
        Mount mount;
        mount.destination = destination;
        mount.type = mount.source = type;
        mount.data = data;
        mount.flags = flags;
        plan.mounts.push_back(mount);
    };
    add("/proc", "proc", "", kQuiet);
    add("/dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME);
    add("/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC);
    add("/sys", "sysfs", "", kQuiet | MS_RDONLY);
    add("/sys/fs/cgroup", "cgroup", "", kQuiet | MS_RDONLY);
    plan.mounts.back().is_cgroup = true;
    add("/dev/mqueue", "mqueue", "", kQuiet);
    add("/dev/shm", "tmpfs", "mode=1777,size=67108864", kQuiet);
    plan.devices = {{"/dev/null", 'c', 1, 3}, {"/dev/zero", 'c', 1, 5}, {"/dev/full", 'c', 1, 7}, {"/dev/random", 'c', 1, 8}, {"/dev/urandom", 'c', 1, 9}, {"/dev/tty", 'c', 5, 0}};
    plan.masked_paths = {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"};
    plan.readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    plan.cgroup_path = "/proa-test/" + plan.container_id;
    plan.limits.devices = {{false, 'a', -1, -1, "rwm"}, {true, 'c', -1, -1, "m"}, {true, 'b', -1, -1, "m"}, {true, 'c', 1, 3, "rwm"}, {true, 'c', 1, 5, "rwm"}, {true, 'c', 1, 7, "rwm"},
                           {true, 'c', 1, 8, "rwm"}, {true, 'c', 1, 9, "rwm"}, {true, 'c', 5, 0, "rwm"}, {true, 'c', 5, 2, "rwm"}, {true, 'c', 136, -1, "rwm"}};
    plan.process.args = std::move(args);
    plan.process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    plan.process.create_cwd = true;
    plan.process.user_name = "";
    plan.process.capabilities = {kDockerCapabilities, kDockerCapabilities, kDockerCapabilities, 0, 0};
    return plan;
}

namespace {
void drain(int out, int err, Outcome& outcome) {
    pollfd entries[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
    std::string* texts[2] = {&outcome.out, &outcome.err};
    int open = 2;
    char buffer[65536];
    while (open > 0 && ::poll(entries, 2, 30000) > 0)
        for (int i = 0; i < 2; i++) {
            if (entries[i].fd < 0 || !entries[i].revents) continue;
            ssize_t got = ::read(entries[i].fd, buffer, sizeof buffer);
            if (got > 0) texts[i]->append(buffer, static_cast<size_t>(got));
            else entries[i].fd = -1, open--;
        }
}
}  // namespace

Outcome run(const Plan& plan, std::string_view input) {
    Outcome outcome;
    auto in = os::make_pipe(), out = os::make_pipe(), err = os::make_pipe();
    Streams streams;
    streams.stdin_fd = in->read_end.get();
    streams.stdout_fd = out->write_end.get();
    streams.stderr_fd = err->write_end.get();
    auto init = launch(plan, streams);
    in->read_end.reset();
    out->write_end.reset();
    err->write_end.reset();
    if (!init) {
        outcome.error = init.error().message();
        outcome.number = init.error().number();
        return outcome;
    }
    (void)os::write_all(in->write_end.get(), input);
    in->write_end.reset();
    drain(out->read_end.get(), err->read_end.get(), outcome);
    auto status = os::wait_for_exit(init->pid);
    outcome.code = status ? status->code : -2;
    if (!plan.cgroup_path.empty()) {
        auto group = cgroup::Group::at(plan.cgroup_path);
        if (auto removed = group->remove(); !removed) outcome.error = removed.error().message();
    }
    return outcome;
}

namespace {
size_t count_groups(const std::string& directory) {
    auto names = os::list_directory(directory);
    size_t count = 0;
    if (!names) return 0;
    for (auto& name : *names)
        if (os::is_directory(concat(directory, '/', name))) count += 1 + count_groups(concat(directory, '/', name));
    return count;
}
}  // namespace

Footprint footprint() {
    Footprint result;
    result.descriptors = os::list_directory("/proc/self/fd")->size();
    result.mounts = split(*os::read_file("/proc/self/mountinfo"), '\n').size();
    for (auto& hierarchy : (*cgroup::layout())->hierarchies) result.cgroups += count_groups(hierarchy.mount_point + "/proa-test");
    result.children = split_fields(*os::read_file("/proc/self/task/" + std::to_string(::getpid()) + "/children")).size();
    return result;
}

}  // namespace proa::runtime::test
