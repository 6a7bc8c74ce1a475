#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include "base/text.h"
#include "cgroup/group.h"
#include "os/file.h"
#include "os/process.h"
#include "runtime/test_container.h"

namespace proa::runtime {
namespace {

using namespace test;

class Launch : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        if (::geteuid() != 0) return;
        s_root = new TemporaryDirectory();
        make_busybox_root(s_root->path());
    }
    static void TearDownTestSuite() {
        delete s_root;
        s_root = nullptr;
        if (auto group = cgroup::Group::at("/proa-test")) (void)group->remove();
    }
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    }
    Plan plan(std::vector<std::string> args) { return docker_plan(s_root->path(), work_.path(), std::move(args)); }
    Outcome shell(const std::string& script) { return run(plan({"sh", "-c", script})); }

    static TemporaryDirectory* s_root;
    TemporaryDirectory work_;
};
TemporaryDirectory* Launch::s_root = nullptr;

TEST_F(Launch, RunsAProgramInItsOwnNamespaces) {
    Outcome outcome = shell("echo hello; hostname; echo $$; ps | wc -l; exit 7");
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out.substr(0, 12), "hello\nbox\n1\n");
    EXPECT_EQ(outcome.code, 7);
}

TEST_F(Launch, HandsOverInputAndOutput) {
    Outcome outcome = run(plan({"cat"}), "some text");
    EXPECT_EQ(outcome.out, "some text");
    EXPECT_EQ(outcome.code, 0);
}

TEST_F(Launch, NamesAMissingProgramAsDockerDoes) {
    Outcome outcome = run(plan({"nosuch"}));
    EXPECT_EQ(outcome.error, "exec: \"nosuch\": executable file not found in $PATH");
    EXPECT_EQ(outcome.number, ENOENT);
}

TEST_F(Launch, ExecutesInARunningContainer) {
    Plan sleeping = plan({"sleep", "100"});
    auto init = launch(sleeping, Streams{});
    ASSERT_TRUE(init.has_value()) << init.error().message();
    ExecPlan exec;
    exec.container_id = sleeping.container_id;
    exec.init_pid = init->pid;
    exec.cgroup_path = sleeping.cgroup_path;
    exec.process = sleeping.process;
    exec.process.args = {"sh", "-c", "hostname; id -u; cat /proc/1/cmdline | grep -c sleep; exit 3"};
    auto out = os::make_pipe();
    Streams streams;
    streams.stdout_fd = streams.stderr_fd = out->write_end.get();
    auto process = execute(exec, streams);
    ASSERT_TRUE(process.has_value()) << process.error().message();
    out->write_end.reset();
    EXPECT_EQ(*os::read_to_end(out->read_end.get(), 10000), "box\n0\n1\n");
    EXPECT_EQ(os::wait_for_exit(process->pid)->code, 3);
    exec.process.args = {"nosuch"};
    auto missing = execute(exec, Streams{});
    ASSERT_FALSE(missing.has_value());
    EXPECT_EQ(missing.error().message(), "exec: \"nosuch\": executable file not found in $PATH");
    EXPECT_TRUE(os::send_signal(init->pidfd.get(), 9).has_value());
    EXPECT_EQ(os::wait_for_exit(init->pid)->signal, 9);
    EXPECT_TRUE(cgroup::Group::at(sleeping.cgroup_path)->remove().has_value());
}

TEST_F(Launch, StartsFromAParkedLauncher) {
    auto parked = ParkedLauncher::park("/proa-test/pool-1");
    ASSERT_TRUE(parked.has_value()) << parked.error().message();
    Plan wanted = plan({"sh", "-c", "exit 5"});
    auto init = parked->launch(wanted, Streams{});
    ASSERT_TRUE(init.has_value()) << init.error().message();
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 5);
    EXPECT_FALSE(cgroup::Group::at("/proa-test/pool-1")->exists());
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

TEST_F(Launch, TakesTheGroupThatAnEarlierRunLeft) {
    Plan wanted = plan({"sh", "-c", "exit 6"});
    auto left = cgroup::Group::create(wanted.cgroup_path);
    ASSERT_TRUE(left.has_value()) << left.error().message();
    auto helper = os::clone_process({});
    ASSERT_TRUE(helper.has_value());
    if (helper->pid == 0)
        for (;;) ::pause();
    ASSERT_TRUE(left->attach(helper->pid).has_value());
    auto parked = ParkedLauncher::park("/proa-test/pool-3");
    ASSERT_TRUE(parked.has_value()) << parked.error().message();
    auto init = parked->launch(wanted, Streams{});
    EXPECT_EQ(os::wait_for_exit(helper->pid)->signal, SIGKILL);
    ASSERT_TRUE(init.has_value()) << init.error().message();
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 6);
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

TEST_F(Launch, MakesDevicesWhateverTimeTheirRulesTake) {
    // More or fewer rules keep the controller busy at another time of the init's way to its devices.
    for (int count : {0, 50, 200, 400, 600, 800, 1000}) {
        std::vector<cgroup::DeviceRule> rules{{false, 'a', -1, -1, "rwm"}};
        for (int minor = 0; minor < count; minor++) rules.push_back({true, 'c', 240, minor, "rwm"});
        for (char type : {'c', 'b'}) rules.push_back({true, type, -1, -1, "m"});
        for (int minor : {3, 5, 7, 8, 9}) rules.push_back({true, 'c', 1, minor, "rwm"});
        rules.push_back({true, 'c', 5, 0, "rwm"});
        Plan wanted = plan({"sh", "-c", "echo x >/dev/null && head -c 4 /dev/zero | wc -c"});
        wanted.limits.devices = rules;
        Outcome outcome = run(wanted);
        EXPECT_EQ(outcome.error, "") << count;
        EXPECT_EQ(outcome.out, "4\n") << count;
        auto parked = ParkedLauncher::park("/proa-test/pool-2");
        ASSERT_TRUE(parked.has_value()) << parked.error().message();
        wanted = plan({"sh", "-c", "echo x >/dev/null && exit 6"});
        wanted.limits.devices = rules;
        auto init = parked->launch(wanted, Streams{});
        ASSERT_TRUE(init.has_value()) << count << ": " << init.error().message();
        EXPECT_EQ(os::wait_for_exit(init->pid)->code, 6);
        EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
    }
}

TEST_F(Launch, WaitsAtTheGate) {
    Plan wanted = plan({"sh", "-c", "exit 4"});
    auto init = create(wanted, Streams{});
    ASSERT_TRUE(init.has_value()) << init.error().message();
    EXPECT_FALSE(os::poll_exit(init->pid)->has_value());
    auto opened = open_gate(*init);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    EXPECT_EQ(os::wait_for_exit(init->pid)->code, 4);
    EXPECT_TRUE(cgroup::Group::at(wanted.cgroup_path)->remove().has_value());
}

}  // namespace
}  // namespace proa::runtime
