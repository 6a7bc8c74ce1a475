#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>

#include "base/text.h"
#include "cgroup/apply.h"
#include "cgroup/device_filter.h"
#include "cgroup/group.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::cgroup {
namespace {

TEST(Layout, ReadsTheThreeKindsOfHosts) {
    auto v2 = parse_layout("35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    ASSERT_TRUE(v2.has_value());
    EXPECT_EQ(v2->version, Version::V2);
    EXPECT_EQ(v2->unified()->mount_point, "/sys/fs/cgroup");
    std::string v1 = "33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
                     "34 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                     "36 32 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd\n"
                     "37 32 0:30 / /other\\040place/memory rw - cgroup cgroup rw,memory\n";
    auto old = parse_layout(v1);
    ASSERT_TRUE(old.has_value());
    EXPECT_EQ(old->version, Version::V1);
    EXPECT_EQ(old->hierarchies.size(), 3u);
    EXPECT_EQ(old->find("cpuacct")->mount_point, "/sys/fs/cgroup/cpu,cpuacct");
    EXPECT_EQ(old->find("name=systemd")->mount_point, "/sys/fs/cgroup/systemd");
    EXPECT_EQ(old->find("pids"), nullptr);
    auto hybrid = parse_layout(v1 + "40 32 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    EXPECT_EQ(hybrid->version, Version::Hybrid);
    EXPECT_FALSE(parse_layout("22 1 8:1 / / rw - ext4 /dev/vda rw\n").has_value());
    EXPECT_EQ(path_in_hierarchy("9:name=systemd:/a\n4:memory:/b/c\n1:cpu,cpuacct:/d\n0::/e\n", *old->find("memory")), "/b/c");
    EXPECT_EQ(path_in_hierarchy("4:memory:/b/c\n1:cpu,cpuacct:/d\n", *old->find("cpu")), "/d");
}

TEST(Weights, ConvertAsRunc) {
    EXPECT_EQ(weight_of_shares(2), 1u);
    EXPECT_EQ(weight_of_shares(1024), 100u);
    EXPECT_EQ(weight_of_shares(262144), 10000u);
    EXPECT_EQ(weight_of_shares(512), 59u);
    EXPECT_EQ(io_weight_of_blkio_weight(10), 1u);
    EXPECT_EQ(io_weight_of_blkio_weight(1000), 10000u);
}

std::vector<DeviceRule> docker_rules() {
    return {{false, 'a', -1, -1, "rwm"}, {true, 'c', -1, -1, "m"}, {true, 'b', -1, -1, "m"}, {true, 'c', 1, 3, "rwm"}, {true, 'c', 5, 2, "rw"}, {true, 'c', 136, -1, "rwm"}};
}

TEST(Devices, ReducesOrderedRules) {
    auto model = reduce_device_rules(docker_rules());
    ASSERT_TRUE(model.has_value());
    EXPECT_FALSE(model->default_allow);
    EXPECT_TRUE(model->allows('c', 1, 3, DeviceModel::kAll));
    EXPECT_TRUE(model->allows('b', 8, 0, DeviceModel::kMknod));
    EXPECT_FALSE(model->allows('b', 8, 0, DeviceModel::kRead));
    EXPECT_FALSE(model->allows('c', 5, 2, DeviceModel::kRead | DeviceModel::kMknod));  // no single rule covers both
    EXPECT_TRUE(model->allows('c', 136, 77, DeviceModel::kRead));
    auto rules = docker_rules();
    rules.push_back({false, 'c', 1, 3, "w"});
    EXPECT_FALSE(reduce_device_rules(rules)->allows('c', 1, 3, DeviceModel::kWrite));
    rules.push_back({true, 'a', -1, -1, "rwm"});
    EXPECT_TRUE(reduce_device_rules(rules)->allows('b', 9, 9, DeviceModel::kAll));
    EXPECT_FALSE(reduce_device_rules({{false, 'a'}, {true, 'c', 1, -1, "rwm"}, {false, 'c', 1, 3, "r"}}).has_value());
    EXPECT_FALSE(reduce_device_rules({{true, 'x', 1, 1, "rwm"}}).has_value());
    EXPECT_FALSE(reduce_device_rules({{true, 'c', 1, 1, "rwx"}}).has_value());
}

class OnHost : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        if (!layout()) GTEST_SKIP() << "no cgroup file system";
        path_ = concat("/proa-cgroup-test-", static_cast<int>(::getpid()));
        auto group = Group::create(path_ + "/a");
        ASSERT_TRUE(group.has_value()) << group.error().message();
        group_ = *group;
    }
    void TearDown() override {
        if (path_.empty()) return;
        auto all = Group::at(path_);
        if (!all) return;
        (void)all->kill_all();
        EXPECT_TRUE(all->remove().has_value());
        EXPECT_FALSE(all->exists());
    }
    std::string value(std::string_view controller, std::string_view file) {
        auto text = os::read_file(concat(group_.directory(controller), '/', file));
        return text ? std::string(trim(*text)) : text.error().message();
    }
    /// A child in the group that sleeps.
    pid_t sleeper() {
        pid_t pid = ::fork();
        if (pid == 0)
            for (;;) ::pause();
        EXPECT_TRUE(group_.attach(pid).has_value());
        return pid;
    }
    bool v1() { return (*layout())->version != Version::V2; }

    std::string path_;
    Group group_;
};

TEST_F(OnHost, WritesLimitsToTheRightFiles) {
    if (!v1()) GTEST_SKIP() << "for v1 files";
    Limits limits;
    limits.memory_limit = 64 << 20;
    limits.memory_swap = 128 << 20;
    limits.memory_reservation = 32 << 20;
    limits.cpu_shares = 512;
    limits.cpu_period = 50000;
    limits.cpu_quota = 25000;
    limits.cpuset_cpus = "0";
    limits.pids_limit = 42;
    auto applied = group_.apply(limits);
    ASSERT_TRUE(applied.has_value()) << applied.error().message();
    EXPECT_EQ(value("memory", "memory.limit_in_bytes"), "67108864");
    EXPECT_EQ(value("memory", "memory.memsw.limit_in_bytes"), "134217728");
    EXPECT_EQ(value("memory", "memory.soft_limit_in_bytes"), "33554432");
    EXPECT_EQ(value("cpu", "cpu.shares"), "512");
    EXPECT_EQ(value("cpu", "cpu.cfs_quota_us"), "25000");
    EXPECT_EQ(value("cpuset", "cpuset.cpus"), "0");
    EXPECT_EQ(value("pids", "pids.max"), "42");
    Limits more;  // up: memory and swap together first; then down again
    more.memory_limit = 512 << 20;
    more.memory_swap = 512 << 20;
    EXPECT_TRUE(group_.apply(more).has_value());
    EXPECT_TRUE(group_.apply(limits).has_value());
    EXPECT_EQ(value("memory", "memory.memsw.limit_in_bytes"), "134217728");
    Limits none;
    none.memory_limit = -1;
    none.pids_limit = -1;
    EXPECT_TRUE(group_.apply(none).has_value());
    EXPECT_EQ(value("pids", "pids.max"), "max");
}

TEST_F(OnHost, NamesTheLimitAndWhatIsMissing) {
    if (!v1()) GTEST_SKIP() << "for v1 files";
    Limits limits;
    limits.cpuset_cpus = "4000";
    auto refused = group_.apply(limits);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message().find("CPU set"), std::string::npos) << refused.error().message();
    limits = {};
    limits.unified = {{"nosuch.max", "1"}};
    refused = group_.apply(limits);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().message().find("nosuch"), std::string::npos) << refused.error().message();
}

TEST_F(OnHost, FreezesKillsAndLists) {
    pid_t pid = sleeper();
    EXPECT_EQ(*group_.processes(), std::vector<pid_t>{pid});
    if ((*layout())->find("pids")) {
        EXPECT_EQ(group_.stats()->pids_current, 1u);
    }
    ASSERT_TRUE(group_.freeze().has_value());
    EXPECT_TRUE(*group_.frozen());
    ASSERT_TRUE(group_.thaw().has_value());
    EXPECT_FALSE(*group_.frozen());
    ASSERT_TRUE(group_.freeze().has_value());
    // Killed although it is frozen; the zombie is ours to reap.
    std::atomic<bool> killed = false;
    std::thread killer([&] { killed = group_.kill_all().has_value(); });
    int status = 0;
    ::waitpid(pid, &status, 0);
    killer.join();
    EXPECT_TRUE(killed);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(OnHost, RenamesWithItsProcesses) {
    if (!v1()) GTEST_SKIP() << "version 2 cannot rename";
    pid_t pid = ::fork();
    if (pid == 0) {
        if (!group_.attach_self_to_v1()) ::_exit(1);
        for (;;) ::pause();
    }
    while (group_.processes()->empty()) ::usleep(1000);
    auto renamed = group_.rename(path_ + "/b");
    ASSERT_TRUE(renamed.has_value()) << renamed.error().message();
    EXPECT_EQ(group_.processes()->at(0), pid);
    EXPECT_FALSE(Group::at(path_ + "/a")->exists());
    EXPECT_FALSE(group_.rename("/elsewhere/b").has_value());
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST_F(OnHost, CountsAndAnnouncesOutOfMemoryKills) {
    if (!(*layout())->find("memory")) GTEST_SKIP() << "no memory controller";
    Limits limits;
    limits.memory_limit = 8 << 20;
    limits.memory_swap = 8 << 20;
    ASSERT_TRUE(group_.apply(limits).has_value());
    auto watch = OomWatch::start(group_);
    ASSERT_TRUE(watch.has_value()) << watch.error().message();
    pid_t pid = ::fork();
    if (pid == 0) {
        if (!group_.attach(::getpid())) ::_exit(1);
        volatile char* memory = static_cast<char*>(malloc(64 << 20));
        for (size_t i = 0; i < 64 << 20; i += 4096) memory[i] = 1;
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_TRUE(*os::wait_readable(watch->fd(), 2000));
    EXPECT_GE(watch->take(), 1u);
    EXPECT_EQ(watch->take(), 0u);
    EXPECT_GE(*group_.oom_kills(), 1u);
    EXPECT_GT(group_.stats()->memory_max_usage, 4u << 20);
}

/// Which of the accesses succeed for a process that `enter` put somewhere: open() of nodes that were made beforehand.
std::vector<bool> decisions(const std::vector<std::string>& nodes, const std::function<bool()>& enter) {
    auto pipe = os::make_pipe();
    pid_t pid = ::fork();
    if (pid == 0) {
        if (!enter()) ::_exit(1);
        for (auto& node : nodes)
            for (int mode : {O_RDONLY, O_WRONLY, O_RDWR}) {
                int fd = ::open(node.c_str(), mode | O_NONBLOCK | O_NOCTTY);
                // Everything but EPERM passed the device controller (there may be no driver behind a number).
                char allowed = fd >= 0 || errno != EPERM ? 1 : 0;
                if (fd >= 0) ::close(fd);
                (void)::write(pipe->write_end.get(), &allowed, 1);
            }
        ::_exit(0);
    }
    pipe->write_end.reset();
    std::string text = *os::read_to_end(pipe->read_end.get(), 1 << 20);
    ::waitpid(pid, nullptr, 0);
    return {text.begin(), text.end()};
}

TEST_F(OnHost, DecidesAboutDevicesAlikeOnBothVersions) {
    if (group_.unified_directory().empty()) GTEST_SKIP() << "no cgroup2 mount for the program";
    char name[] = "/tmp/proa-devices-XXXXXX";
    std::string directory = ::mkdtemp(name);
    struct Node {
        char type;
        int64_t major, minor;
    };
    const Node kNodes[] = {{'c', 1, 3}, {'c', 1, 5}, {'c', 1, 7}, {'c', 240, 9}, {'c', 241, 3}, {'b', 240, 3}, {'b', 241, 9}};
    std::vector<std::string> paths;
    for (auto& node : kNodes) {
        paths.push_back(concat(directory, "/", std::string(1, node.type), node.major, "-", node.minor));
        ASSERT_EQ(::mknod(paths.back().c_str(), (node.type == 'b' ? S_IFBLK : S_IFCHR) | 0666, makedev(static_cast<unsigned>(node.major), static_cast<unsigned>(node.minor))), 0);
    }
    std::mt19937 random(7);
    auto pick = [&](std::initializer_list<int64_t> values) { return *(values.begin() + random() % values.size()); };
    int tried = 0;
    // Each open of a number without a driver makes the kernel look for a module: slow under emulation (tests/guest).
    const int rounds = ::getenv("PROA_GUEST") ? 12 : 60;
    for (int round = 0; round < rounds; round++) {
        std::vector<DeviceRule> rules = {{random() % 2 == 0, 'a', -1, -1, "rwm"}};
        for (size_t i = random() % 6; i > 0; i--) {
            const char* kAccess[] = {"r", "w", "m", "rw", "rm", "rwm"};
            rules.push_back({random() % 2 == 0, random() % 3 ? 'c' : 'b', pick({-1, 1, 240, 241}), pick({-1, 3, 5, 9}), kAccess[random() % 6]});
        }
        auto model = reduce_device_rules(rules);
        if (!model) continue;  // what v1 cannot express is refused on both
        tried++;
        std::vector<bool> expected;
        for (auto& node : kNodes)
            for (uint32_t access : {DeviceModel::kRead, DeviceModel::kWrite, DeviceModel::kRead | DeviceModel::kWrite}) expected.push_back(model->allows(node.type, node.major, node.minor, access));
        auto by_program = decisions(paths, [&] {
            return attach_device_program(group_.unified_directory(), *model).has_value() && os::write_file(group_.unified_directory() + "/cgroup.procs", "0").has_value();
        });
        EXPECT_EQ(by_program, expected) << "program, round " << round;
        if (!v1()) continue;
        auto by_files = decisions(paths, [&] {
            auto applied = group_.apply_devices(rules);
            return applied && os::write_file(group_.directory("devices") + "/tasks", "0").has_value();
        });
        EXPECT_EQ(by_files, expected) << "files, round " << round;
    }
    EXPECT_GT(tried, rounds / 3);
    EXPECT_TRUE(os::remove_tree(directory).has_value());
}

TEST_F(OnHost, RemovesWithSubGroupsAndForgivesAbsence) {
    ASSERT_TRUE(Group::create(path_ + "/a/inner/most").has_value());
    EXPECT_TRUE(group_.remove().has_value());
    EXPECT_TRUE(group_.remove().has_value());
    EXPECT_FALSE(group_.processes().has_value());
    EXPECT_FALSE(Group::create("relative").has_value());
    EXPECT_FALSE(Group::create("/a/../b").has_value());
}

}  // namespace
}  // namespace proa::cgroup
