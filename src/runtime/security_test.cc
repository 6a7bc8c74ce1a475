#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "cgroup/group.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/process.h"
#include "runtime/test_container.h"

// One test per promise of the runtime against hostile images, mounts and processes. The names say the class (C1 ...).
namespace proa::runtime {
namespace {

using namespace test;

class Security : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        make_busybox_root(root_.path());
    }
    static void TearDownTestSuite() {
        if (auto group = cgroup::Group::at("/proa-test")) (void)group->remove();
    }
    Plan plan(const std::string& script) { return docker_plan(root_.path(), work_.path(), {"sh", "-c", script}); }
    Outcome shell(const std::string& script) { return run(plan(script)); }
    static Mount bind(const std::string& source, const std::string& destination, uint64_t flags = 0) {
        Mount mount;
        mount.type = "bind";
        mount.source = source;
        mount.destination = destination;
        mount.flags = MS_BIND | MS_REC | flags;
        return mount;
    }
    std::string host(std::string_view name) { return outside_ / name; }

    TemporaryDirectory root_, work_, outside_;
};

TEST_F(Security, C2LeavesNoDescriptorOpen) {
    os::Fd secret = *os::open_file("/etc/hostname", O_RDONLY);
    int leaked = ::dup(secret.get());  // without close-on-exec, as a careless engine would leave it
    Outcome outcome = shell("ls -l /proc/self/fd");
    ::close(leaked);
    EXPECT_EQ(outcome.error, "");
    // 0, 1, 2 and the directory that ls itself reads.
    EXPECT_EQ(split_nonempty(trim(outcome.out), '\n').size(), 5u) << outcome.out;
    EXPECT_EQ(outcome.out.find("hostname"), std::string::npos);
}

TEST_F(Security, C2RefusesAWorkingDirectoryOutsideTheRoot) {
    // CVE-2024-21626: a descriptor of the host's root is open while the runtime works, and the image's cwd names it.
    os::Fd host_root = *os::open_file("/", O_PATH | O_DIRECTORY);
    for (int fd = 3; fd < 12; fd++) {
        Plan evil = plan("cat /etc/hostname; ls /");
        evil.process.cwd = concat("/proc/self/fd/", fd);
        evil.process.create_cwd = false;
        Outcome outcome = run(evil);
        EXPECT_NE(outcome.error, "") << fd << outcome.out;
        EXPECT_EQ(outcome.out, "");
    }
}

TEST_F(Security, C2GivesExactlyThePreservedDescriptors) {
    auto pipe = os::make_pipe();
    os::Fd reader(::fcntl(pipe->read_end.get(), F_DUPFD_CLOEXEC, 50)), writer(::fcntl(pipe->write_end.get(), F_DUPFD_CLOEXEC, 50));
    os::Fd saved(::fcntl(3, F_DUPFD_CLOEXEC, 50));  // whatever the test program has there
    ASSERT_EQ(::dup2(writer.get(), 3), 3);
    Plan wanted = plan("echo through >&3");
    Streams streams;
    streams.preserved_descriptors = 1;
    auto init = launch(wanted, streams);
    ASSERT_TRUE(init.has_value()) << init.error().message();
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 0);
    char text[32];
    EXPECT_EQ(::read(reader.get(), text, sizeof text), 8);
    if (saved) ::dup2(saved.get(), 3);
    else ::close(3);
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

TEST_F(Security, C3KeepsMountTargetsInsideTheRoot) {
    // The image says /data -> ../../../../<outside>; the bind must land below the root and the host stay untouched.
    ASSERT_TRUE(os::make_directory(host("victim"), 0755).has_value());
    ASSERT_TRUE(os::make_directory(host("source"), 0755).has_value());
    ASSERT_TRUE(os::write_file(host("source/file"), "from the volume").has_value());
    ASSERT_TRUE(os::make_symlink("../../../../../../../.." + host("victim"), root_ / "data").has_value());
    Plan evil = plan("cat /data/file; touch /data/planted; ls -d " + host("victim"));
    evil.mounts.push_back(bind(host("source"), "/data"));
    Outcome outcome = run(evil);
    EXPECT_EQ(outcome.error, "");
    EXPECT_NE(outcome.out.find("from the volume"), std::string::npos);
    EXPECT_TRUE(os::list_directory(host("victim"))->empty());
    EXPECT_TRUE(os::exists(host("source/planted")));
}

TEST_F(Security, C3RefusesProcBehindASymbolicLink) {
    // CVE-2019-19921: /proc -> /fake would leave the real masks elsewhere.
    ASSERT_TRUE(os::remove_tree(root_ / "proc").has_value());
    ASSERT_TRUE(os::make_directory(root_ / "fake", 0755).has_value());
    ASSERT_TRUE(os::make_symlink("/fake", root_ / "proc").has_value());
    Outcome outcome = shell("echo ran");
    EXPECT_NE(outcome.error.find("must be mounted on ordinary directory"), std::string::npos) << outcome.error;
    EXPECT_EQ(outcome.out, "");
}

TEST_F(Security, C3RefusesBindsBelowProc) {
    ASSERT_TRUE(os::make_directory(host("fake"), 0755).has_value());
    for (auto destination : {"/proc", "/proc/self/attr", "/proc/../proc/sys"}) {
        Plan evil = plan("echo ran");
        evil.mounts.push_back(bind(host("fake"), destination));
        EXPECT_NE(run(evil).error.find("cannot be mounted because it is inside /proc"), std::string::npos) << destination;
    }
}

TEST_F(Security, C3MakesDevicesOnlyInsideTheRoot) {
    // The image's /dev is a link to a host directory; device nodes must not appear there. (No /dev mount in this plan.)
    ASSERT_TRUE(os::make_directory(host("dev"), 0755).has_value());
    ASSERT_TRUE(os::remove_tree(root_ / "dev").has_value());
    ASSERT_TRUE(os::make_symlink("../../../../../../.." + host("dev"), root_ / "dev").has_value());
    Plan evil = plan("true");
    std::erase_if(evil.mounts, [](auto& mount) { return mount.destination.starts_with("/dev"); });
    (void)run(evil);
    EXPECT_TRUE(os::list_directory(host("dev"))->empty());
}

TEST_F(Security, C4WritesSysctlsToTheKernelAndNowhereElse) {
    // A volume over /proc/sys must not catch the engine's writes: they go to a procfs of its own.
    Plan wanted = plan("cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/sys/kernel/shm_rmid_forced");
    wanted.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "77"}, {"kernel.shm_rmid_forced", "1"}};
    EXPECT_EQ(run(wanted).out, "77\n1\n");
    for (auto name : {"../../self/attr/exec", "net/../kernel/nosuch", "net/./ipv4/ip_forward", "net..ipv4.ip_forward", "/net/ipv4/ip_forward"}) {
        wanted.sysctls = {{name, "x"}};
        EXPECT_NE(run(wanted).error.find("malformed"), std::string::npos) << name << run(wanted).error;
    }
    wanted.sysctls = {{"kernel.nosuch", "x"}};
    EXPECT_NE(run(wanted).error.find("kernel.nosuch"), std::string::npos);
}

TEST_F(Security, C5MasksWithItsOwnNullDevice) {
    // CVE-2025-31133: the image (or a racing container) makes /dev/null a link to what should stay read-only.
    ASSERT_TRUE(os::make_symlink("/proc/sys/kernel/core_pattern", root_ / "dev/null").has_value());
    Outcome outcome = shell("stat -c '%t:%T %F' /proc/kcore /proc/keys; cat /proc/keys; ls -A /proc/scsi /sys/firmware; echo x > /proc/sysrq-trigger; echo y > /proc/sys/kernel/core_pattern");
    EXPECT_EQ(outcome.error, "");
    EXPECT_NE(outcome.out.find("1:3 character special file"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out.find("keyring"), std::string::npos);
}

TEST_F(Security, C5TakesATerminalOnlyFromItsOwnDevpts) {
    // CVE-2025-52565: no devpts in the plan and a planted /dev/pts/ptmx.
    Plan evil = plan("true");
    evil.process.terminal = true;
    std::erase_if(evil.mounts, [](auto& mount) { return mount.destination.starts_with("/dev"); });
    ASSERT_TRUE(os::make_directories(root_ / "dev/pts", 0755).has_value());
    ASSERT_TRUE(os::make_symlink("/etc/passwd", root_ / "dev/pts/ptmx").has_value());
    EXPECT_NE(run(evil).error.find("ptmx"), std::string::npos);
    ASSERT_TRUE(os::remove_file(root_ / "dev/pts/ptmx").has_value());
    ASSERT_EQ(::mkfifo((root_ / "dev/pts/ptmx").c_str(), 0666), 0);  // opening it would hang
    EXPECT_NE(run(evil).error.find("ptmx"), std::string::npos);
}

TEST_F(Security, GivesAControllingTerminalOnDevConsole) {
    Plan wanted = plan("tty; stty size; test -c /dev/console && echo console; test -t 0 && echo interactive; read line; echo got $line");
    wanted.process.terminal = true;
    wanted.process.console_height = 30;
    wanted.process.console_width = 100;
    auto init = launch(wanted, Streams{});
    ASSERT_TRUE(init.has_value()) << init.error().message();
    ASSERT_TRUE(init->console);
    ASSERT_TRUE(os::write_all(init->console.get(), "word\n").has_value());
    std::string out;
    char buffer[4096];
    for (ssize_t got; (got = ::read(init->console.get(), buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(got));
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 0);
    for (auto expected : {"/dev/pts/0", "30 100", "console", "interactive", "got word"}) EXPECT_NE(out.find(expected), std::string::npos) << out;
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

TEST_F(Security, C12SetsExactlyTheFiveCapabilitySets) {
    Outcome outcome = shell("grep ^Cap /proc/self/status; grep ^Groups /proc/self/status; grep NoNewPrivs /proc/self/status");
    EXPECT_EQ(outcome.out, "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nGroups:\t0 10 29 \nNoNewPrivs:\t0\n");
    Plan user = plan("grep ^Cap /proc/self/status; id");
    user.process.user_name = "app";
    user.process.no_new_privileges = true;
    outcome = run(user);
    EXPECT_NE(outcome.out.find("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("uid=1000(app) gid=1000(app) groups=29(audio),50(staff),1000(app)"), std::string::npos) << outcome.out;
    user.process.capabilities.inheritable = user.process.capabilities.ambient = 1 << 10;  // NET_BIND_SERVICE
    outcome = run(user);
    EXPECT_NE(outcome.out.find("CapEff:\t0000000000000400"), std::string::npos) << outcome.out;
}

TEST_F(Security, C13ResolvesUsersAsDockerDoesAndNeverByGuess) {
    auto as = [&](const std::string& user, std::vector<std::string> groups = {}) {
        Plan wanted = plan("id -u; id -g; grep ^Groups /proc/self/status; echo $HOME");
        wanted.process.user_name = user;
        wanted.process.additional_group_names = std::move(groups);
        Outcome outcome = run(wanted);
        return outcome.error.empty() ? outcome.out : outcome.error;
    };
    EXPECT_EQ(as("app"), "1000\n1000\nGroups:\t29 50 1000 \n/home/app\n");
    EXPECT_EQ(as("1000"), "1000\n1000\nGroups:\t29 50 1000 \n/home/app\n");
    EXPECT_EQ(as("app:staff"), "1000\n50\nGroups:\t50 \n/home/app\n");
    EXPECT_EQ(as("4242"), "4242\n0\nGroups:\t0 \n/\n");
    EXPECT_EQ(as("4242:4343", {"wheel", "77"}), "4242\n4343\nGroups:\t10 77 4343 \n/\n");
    EXPECT_EQ(as("nosuch"), "unable to find user nosuch: no matching entries in passwd file");
    EXPECT_EQ(as("app:nosuch"), "unable to find group nosuch: no matching entries in group file");
    EXPECT_NE(as("4294967295").find("out of range"), std::string::npos);
    EXPECT_NE(as("99999999999999999999").find("out of range"), std::string::npos);

    ASSERT_TRUE(os::write_file(root_ / "etc/passwd", "evil:x:notanumber:0::/:/bin/sh\nbig:x:4294967296:0::/:/bin/sh\nminus:x:-1:0::/:\n").has_value());
    for (auto name : {"evil", "big", "minus"}) EXPECT_EQ(as(name), concat("unable to find user ", std::string_view(name), ": no matching entries in passwd file"));
    ASSERT_TRUE(os::remove_file(root_ / "etc/passwd").has_value());
    ASSERT_EQ(::mkfifo((root_ / "etc/passwd").c_str(), 0644), 0);  // opening it would hang
    EXPECT_NE(as("app").find("not a regular file"), std::string::npos) << as("app");
    ASSERT_TRUE(os::remove_file(root_ / "etc/passwd").has_value());
    ASSERT_TRUE(os::write_file(root_ / "etc/passwd", std::string(2 << 20, 'x')).has_value());
    EXPECT_NE(as("app").find("more than"), std::string::npos) << as("app");
    ASSERT_TRUE(os::write_file(root_ / "etc/passwd", std::string(70000, 'x') + "\napp:x:0:0::/:\n").has_value());
    EXPECT_NE(as("app").find("64 KiB"), std::string::npos);
    ASSERT_TRUE(os::remove_file(root_ / "etc/passwd").has_value());
    ASSERT_TRUE(os::write_file(host("passwd"), "app:x:0:0::/stolen:\n").has_value());
    ASSERT_TRUE(os::make_symlink("../../../../../../.." + host("passwd"), root_ / "etc/passwd").has_value());
    EXPECT_EQ(as("app"), "unable to find user app: no matching entries in passwd file");
}

TEST_F(Security, C14LeavesNothingOfTheKernelWritable) {
    // Whatever a container's root can open for writing below /proc and /sys, apart from what belongs to processes and to its network.
    Plan wanted = plan("find /proc /sys -path '/proc/[0-9]*' -prune -o -path /proc/self -prune -o -path /proc/thread-self -prune -o -type f -perm /222 -print 2>/dev/null");
    auto listing = run(wanted);
    ASSERT_EQ(listing.error, "");
    Plan probe = plan("while read f; do dd of=\"$f\" count=0 conv=notrunc 2>/dev/null </dev/null && echo \"$f\"; done");
    Outcome outcome = run(probe, listing.out);
    std::string unexpected;
    for (auto& file : split_nonempty(outcome.out, '\n')) {
        // Devices that stand for nothing (they were masked), and files whose writes the kernel guards by capabilities which a container lacks.
        static constexpr std::string_view kHarmless[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/latency_stats", "/proc/sched_debug", "/proc/acpi", "/proc/kmsg",
                                                         "/proc/mtrr", "/proc/slabinfo", "/proc/swaps", "/proc/vmallocinfo", "/proc/kpagecgroup", "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory", "/proc/pressure/irq"};
        if (std::find(std::begin(kHarmless), std::end(kHarmless), file) == std::end(kHarmless)) unexpected += file + "\n";
    }
    EXPECT_EQ(unexpected, "");
}

TEST_F(Security, C15ShowsOnlyItsOwnCgroupsReadOnly) {
    Outcome outcome = shell("cat /proc/self/cgroup | grep -v ':/$'; cd /sys/fs/cgroup; cd memory 2>/dev/null; mkdir x; echo 1 > release_agent; echo 1 > cgroup.procs; ls | grep -c '^proa-test'");
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.out, "0\n") << outcome.err;
    EXPECT_NE(outcome.err.find("Read-only file system"), std::string::npos) << outcome.err;
}

TEST_F(Security, C25ForbidsDevicesThatNoRuleAllows) {
    Outcome outcome = shell("mknod /tmp/disk b 7 0 && dd if=/tmp/disk of=/dev/null count=1; mknod /tmp/mem c 1 1 && cat /tmp/mem; cat /dev/null && echo fine");
    EXPECT_EQ(outcome.out, "fine\n");
    EXPECT_NE(outcome.err.find("Operation not permitted"), std::string::npos) << outcome.err;
}

TEST_F(Security, KeepsReadOnlyRootsAndRecursiveReadOnlyBinds) {
    ASSERT_TRUE(os::make_directories(host("tree/below"), 0777).has_value());
    ASSERT_EQ(::mount("tmpfs", host("tree/below").c_str(), "tmpfs", 0, nullptr), 0);
    Plan wanted = plan("touch /new; touch /vol/a; touch /vol/below/b; touch /tmp/c");
    wanted.root.readonly = true;
    Mount volume = bind(host("tree"), "/vol", MS_RDONLY);
    volume.recursive_readonly_if_possible = true;
    wanted.mounts.push_back(volume);
    Mount scratch;
    scratch.destination = "/tmp";
    scratch.type = scratch.source = "tmpfs";
    wanted.mounts.push_back(scratch);
    Outcome outcome = run(wanted);
    ::umount2(host("tree/below").c_str(), MNT_DETACH);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(split_nonempty(outcome.err, '\n').size(), 3u) << outcome.err;
    EXPECT_EQ(outcome.code, 0);
}

TEST_F(Security, CopiesUpWhatATmpfsCovers) {
    ASSERT_TRUE(os::make_directories(root_ / "srv/deep", 0750).has_value());
    ASSERT_TRUE(os::write_file(root_ / "srv/deep/file", "content").has_value());
    ASSERT_TRUE(os::make_symlink("/etc/passwd", root_ / "srv/link").has_value());
    ASSERT_EQ(::mkfifo((root_ / "srv/fifo").c_str(), 0644), 0);
    Plan wanted = plan("cat /srv/deep/file; stat -c %a /srv/deep; readlink /srv/link; test -e /srv/fifo || echo no fifo; grep ' /srv ' /proc/mounts | grep -c tmpfs");
    Mount mount;
    mount.destination = "/srv";
    mount.type = mount.source = "tmpfs";
    mount.copy_up = true;
    wanted.mounts.push_back(mount);
    Outcome outcome = run(wanted);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.out, "content750\n/etc/passwd\nno fifo\n1\n");
}

TEST_F(Security, RunsInAUserNamespace) {
    Plan wanted = plan("id -u; cat /proc/self/uid_map; echo > /dev/null && echo device; mount -t tmpfs none /tmp 2>/dev/null || echo no");
    wanted.namespaces.push_back({NamespaceType::User, "", -1});
    wanted.uid_mappings = wanted.gid_mappings = {{0, 100000, 65536}};
    wanted.process.seccomp_bpf.clear();
    for (auto& path : {root_.path(), work_.path() + "/upper", work_.path() + "/work"}) ASSERT_EQ(::chown(path.c_str(), 100000, 100000), 0);
    Outcome outcome = run(wanted);
    EXPECT_EQ(outcome.error, "");
    EXPECT_NE(outcome.out.find("0\n         0     100000      65536\n"), std::string::npos) << outcome.out << outcome.err;
    EXPECT_NE(outcome.out.find("device"), std::string::npos) << outcome.out << outcome.err;
}

TEST_F(Security, MapsIdsOfABind) {
    ASSERT_TRUE(os::make_directory(host("mapped"), 0755).has_value());
    ASSERT_TRUE(os::write_file(host("mapped/file"), "x").has_value());
    Plan wanted = plan("stat -c %u /mapped/file");
    Mount mount = bind(host("mapped"), "/mapped");
    mount.uid_mappings = mount.gid_mappings = {{0, 5000, 1000}};
    wanted.mounts.push_back(mount);
    Outcome outcome = run(wanted);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.out, "5000\n");
}

TEST_F(Security, JoinsNamespacesByDescriptorAndPidNamespaces) {
    Plan first = plan("sleep 100");
    first.process.args = {"sleep", "100"};
    auto init = launch(first, Streams{});
    ASSERT_TRUE(init.has_value()) << init.error().message();
    TemporaryDirectory other_work;
    Plan second = docker_plan(root_.path(), other_work.path(), {"sh", "-c", "grep -c sleep /proc/1/cmdline; readlink /proc/self/ns/net"});
    os::Fd network = *os::open_file(concat("/proc/", init->pid, "/ns/net"), O_RDONLY);
    int descriptors[] = {network.get()};
    for (auto& space : second.namespaces) {
        if (space.type == NamespaceType::Network) space.descriptor = 0;
        if (space.type == NamespaceType::Pid) space.path = concat("/proc/", init->pid, "/ns/pid");
    }
    auto out = os::make_pipe();
    Streams streams;
    streams.stdout_fd = out->write_end.get();
    streams.descriptors = descriptors;
    auto joined = launch(second, streams);
    ASSERT_TRUE(joined.has_value()) << joined.error().message();
    out->write_end.reset();
    std::string text = *os::read_to_end(out->read_end.get(), 10000);
    EXPECT_EQ(text, concat("1\n", *os::read_link(concat("/proc/", init->pid, "/ns/net")), "\n"));
    EXPECT_EQ(os::wait_for_exit(joined->pid)->code, 0);
    (void)os::send_signal(init->pidfd.get(), SIGKILL);
    (void)os::wait_for_exit(init->pid);
    for (auto& path : {first.cgroup_path, second.cgroup_path}) EXPECT_TRUE(cgroup::Group::at(path)->remove().has_value());
}

TEST_F(Security, RunsBehindAnInit) {
    std::string init = os::directory_of(os::directory_of(*os::read_link("/proc/self/exe"))) + "/bin/proa-init";
    if (!os::exists(init)) GTEST_SKIP() << "proa-init is not built";
    Plan wanted = plan("cat /proc/1/cmdline | head -c 20; (sleep 0.05 &); (exit 3); kill -TERM $$");
    wanted.init_path = init;
    Outcome outcome = run(wanted);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.out.starts_with("/sbin/docker-init")) << outcome.out;
    EXPECT_EQ(outcome.code, 128 + SIGTERM);
    wanted.process.args = {"nosuch"};
    EXPECT_EQ(run(wanted).code, 127);
    wanted.process.args = {"sh", "-c", "trap 'exit 9' USR1; kill -USR1 1; while true; do sleep 0.05; done"};
    EXPECT_EQ(run(wanted).code, 9);
}

TEST_F(Security, RunsWithoutPivot) {
    Plan wanted = plan("ls /; cat /etc/passwd | head -1");
    wanted.root.no_pivot = true;
    Outcome outcome = run(wanted);
    EXPECT_EQ(outcome.error, "");
    EXPECT_NE(outcome.out.find("root:x:0:0"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out.find("boot"), std::string::npos) << outcome.out;
}

TEST_F(Security, SharesAndReceivesMountsWhenAsked) {
    ASSERT_EQ(::mount("tmpfs", outside_.path().c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, outside_.path().c_str(), nullptr, MS_SHARED, nullptr), 0);
    for (auto name : {"made", "seen"}) ASSERT_TRUE(os::make_directory(host(name), 0755).has_value());
    Plan wanted = plan("mount -t tmpfs none /shared/made && touch /shared/made/here; cat >/dev/null; ls /shared/seen");
    wanted.process.capabilities.bounding = wanted.process.capabilities.effective = wanted.process.capabilities.permitted = os::all_capabilities() & os::read_capabilities()->permitted;
    wanted.root.propagation = Propagation::Shared;
    Mount mount = bind(outside_.path(), "/shared");
    mount.propagation = Propagation::RecursiveShared;
    wanted.mounts.push_back(mount);
    auto in = os::make_pipe(), out = os::make_pipe();
    Streams streams;
    streams.stdin_fd = in->read_end.get();
    streams.stdout_fd = out->write_end.get();
    auto init = launch(wanted, streams);
    ASSERT_TRUE(init.has_value()) << init.error().message();
    out->write_end.reset();
    in->read_end.reset();
    for (int i = 0; i < 200 && !os::exists(host("made/here")); i++) ::usleep(10000);
    EXPECT_TRUE(os::exists(host("made/here")));
    EXPECT_EQ(::mount("tmpfs", host("seen").c_str(), "tmpfs", 0, nullptr), 0);
    EXPECT_TRUE(os::write_file(host("seen/new"), "").has_value());
    in->write_end.reset();
    EXPECT_EQ(*os::read_to_end(out->read_end.get(), 1000), "new\n");
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 0);
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
    ::umount2(host("seen").c_str(), MNT_DETACH);
    ::umount2(host("made").c_str(), MNT_DETACH);
    ::umount2(outside_.path().c_str(), MNT_DETACH);
}

TEST_F(Security, EndsWithItsParent) {
    Plan wanted = plan("sleep 100");
    auto told = os::make_pipe();
    pid_t parent = ::fork();
    if (parent == 0) {
        Streams streams;
        streams.die_with_parent = true;
        auto init = launch(wanted, streams);
        pid_t pid = init ? init->pid : -1;
        (void)::write(told->write_end.get(), &pid, sizeof pid);
        ::pause();
        ::_exit(0);
    }
    pid_t init = -1;
    ASSERT_EQ(::read(told->read_end.get(), &init, sizeof init), static_cast<ssize_t>(sizeof init));
    ASSERT_GT(init, 0);
    auto pidfd = os::open_pidfd(init);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    EXPECT_TRUE(*os::wait_readable(pidfd->get(), 2000));
    (void)os::wait_for_exit(init);
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

TEST_F(Security, NamesWhyAProgramCannotRun) {
    ASSERT_TRUE(os::write_file(root_ / "bin/foreign", std::string("\x7f" "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0", 20) + std::string(200, '\0'), 0755).has_value());
    ASSERT_TRUE(os::write_file(root_ / "bin/dos", "#!/bin/sh\r\necho hi\r\n", 0755).has_value());
    ASSERT_TRUE(os::write_file(root_ / "bin/lost", "#!/usr/bin/nosuch\n", 0755).has_value());
    ASSERT_TRUE(os::write_file(root_ / "bin/text", "just text\n", 0755).has_value());
    ASSERT_TRUE(os::write_file(root_ / "bin/plain", "x", 0644).has_value());
    auto failure = [&](const std::string& program) {
        Outcome outcome = run(docker_plan(root_.path(), work_.path(), {program}));
        return concat(outcome.number, ' ', outcome.error);
    };
    EXPECT_EQ(failure("nosuch"), concat(ENOENT, " exec: \"nosuch\": executable file not found in $PATH"));
    EXPECT_EQ(failure("/nosuch"), concat(ENOENT, " exec: \"/nosuch\": stat /nosuch: no such file or directory"));
    EXPECT_EQ(failure("/bin/plain"), concat(EACCES, " exec: \"/bin/plain\": permission denied"));
    EXPECT_EQ(failure("/etc"), concat(EACCES, " exec: \"/etc\": is a directory"));
    EXPECT_EQ(failure("foreign"), concat(ENOEXEC, " exec /bin/foreign: exec format error (the program is for arm64, this machine is x86-64)"));
    EXPECT_EQ(failure("dos"), concat(ENOENT, " exec /bin/dos: no such file or directory (the \"#!\" line ends in a carriage return: the script has DOS line ends)"));
    EXPECT_EQ(failure("lost"), concat(ENOENT, " exec /bin/lost: no such file or directory (the interpreter /usr/bin/nosuch of its \"#!\" line does not exist)"));
    EXPECT_EQ(failure("text"), concat(ENOEXEC, " exec /bin/text: exec format error (neither an ELF program nor a script with a \"#!\" line)"));
}

TEST_F(Security, LeavesNothingBehindAfterManyLaunches) {
    (void)shell("true");
    Footprint before = footprint();
    for (int i = 0; i < 200; i++) {
        TemporaryDirectory work;
        Plan wanted = docker_plan(root_.path(), work.path(), {i % 4 == 3 ? "nosuch" : "true"});
        wanted.process.terminal = i % 5 == 1;
        if (i % 2) {
            auto parked = ParkedLauncher::park(concat("/proa-test/pool-", i));
            ASSERT_TRUE(parked.has_value()) << parked.error().message();
            auto init = parked->launch(wanted, Streams{});
            ASSERT_EQ(init.has_value(), i % 4 != 3);
            if (!init) continue;
            EXPECT_EQ(os::wait_for_exit(init->pid)->code, 0);
            EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
        } else {
            EXPECT_EQ(run(wanted).code, 0);
        }
    }
    Footprint after = footprint();
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.mounts, before.mounts);
    EXPECT_EQ(after.cgroups, before.cgroups);
    EXPECT_EQ(after.children, before.children);
}

}  // namespace
}  // namespace proa::runtime
