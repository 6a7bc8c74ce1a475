// The shim's program run for real: needs root (namespaces) and /bin/busybox.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"
#include "base/text.h"
#include "base/time.h"
#include "cgroup/group.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "runtime/plan.h"
#include "shim/client.h"
#include "shim/test_directory.h"

namespace proa::shim {
namespace {

std::string shim_path() {
    if (const char* path = ::getenv("PROA_SHIM")) return path;
    return os::clean_path(os::directory_of(*os::read_link("/proc/self/exe")) + "/../bin/proa-shim");
}

/// A client's end of an attach.
struct Client {
    os::Fd socket, theirs;
    Client() {
        auto pair = *os::make_socket_pair(os::SocketType::Stream);
        socket = std::move(pair.first);
        theirs = std::move(pair.second);
    }
    void write(std::string_view text) { ASSERT_TRUE(os::write_all(socket.get(), text)); }
    std::string read_all(int timeout_ms = 10'000) {
        std::string out;
        const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_ms} * 1'000'000;
        char buffer[65536];
        while (monotonic_nanoseconds() < deadline) {
            auto ready = os::wait_readable(socket.get(), 100);
            if (!ready || !*ready) continue;
            auto got = os::read_some(socket.get(), buffer);
            if (!got || *got == 0) return out;
            out.append(buffer, *got);
        }
        ADD_FAILURE() << "the stream did not end; so far: " << out.substr(0, 200);
        return out;
    }
    std::string read_until(std::string_view text, int timeout_ms = 10'000) {
        std::string out;
        const int64_t deadline = monotonic_nanoseconds() + int64_t{timeout_ms} * 1'000'000;
        char buffer[4096];
        while (monotonic_nanoseconds() < deadline && out.find(text) == std::string::npos) {
            auto ready = os::wait_readable(socket.get(), 100);
            if (!ready || !*ready) continue;
            auto got = os::read_some(socket.get(), buffer);
            if (!got || *got == 0) break;
            out.append(buffer, *got);
        }
        EXPECT_NE(out.find(text), std::string::npos) << "read: " << out;
        return out;
    }
};

/// Payload of the frames of one stream; 0: both.
std::string unframe(std::string_view frames, int stream = 0) {
    std::string out;
    while (frames.size() >= 8) {
        auto byte = [&](int i) { return static_cast<size_t>(static_cast<unsigned char>(frames[static_cast<size_t>(i)])); };
        size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
        if (stream == 0 || frames[0] == stream) out.append(frames.substr(8, size));
        frames.remove_prefix(std::min(frames.size(), 8 + size));
    }
    EXPECT_TRUE(frames.empty()) << "a cut frame";
    return out;
}

class ShimTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // a PID 1 that reaps late must not look like a leak of ours
    }
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        root_ = directory_.path + "/root";
        state_ = directory_.path + "/state";
        for (auto name : {"", "/bin", "/dev", "/proc", "/tmp"}) ASSERT_TRUE(os::make_directories(root_ + name, 0755));
        ASSERT_TRUE(os::make_directories(state_, 0700));
        ASSERT_EQ(::system(concat("cp /bin/busybox ", root_, "/bin/busybox && ", root_, "/bin/busybox --install -s ", root_,
                                  "/bin 2>/dev/null; for a in sh cat sleep echo yes head stty; do ln -sf busybox ", root_, "/bin/$a; done").c_str()), 0);
        ::mknod((root_ + "/dev/null").c_str(), S_IFCHR | 0666, makedev(1, 3));
        ::chmod((root_ + "/dev/null").c_str(), 0666);
        plan_.container_id = launch_.container_id = random_id();
        plan_.root.directory = root_;
        for (auto type : {runtime::NamespaceType::Mount, runtime::NamespaceType::Pid, runtime::NamespaceType::Ipc,
                          runtime::NamespaceType::Uts})
            plan_.namespaces.push_back({type, "", -1});
        plan_.process.env = {"PATH=/bin"};
        runtime::Mount proc;
        proc.destination = "/proc";
        proc.type = proc.source = "proc";
        plan_.mounts.push_back(proc);
        runtime::Mount pts;
        pts.destination = "/dev/pts";
        pts.type = pts.source = "devpts";
        pts.data = "newinstance,ptmxmode=0666,mode=0620";
        plan_.mounts.push_back(pts);
        launch_.state_directory = state_;
        launch_.log.driver = LogDriver::JsonFile;
        launch_.log.path = directory_.path + "/c-json.log";
    }
    void TearDown() override {
        if (shim_.pidfd) {
            if (has_shim_ended(0)) return;
            (void)shim_.connection.request(MessageType::Signal, Signal{"", SIGKILL});
            if (!has_shim_ended(1000)) (void)shim_.connection.request(MessageType::Release, Release{});
            shim_.connection = {};
            if (!has_shim_ended(5000)) {
                ADD_FAILURE() << "the shim did not end";
                (void)os::send_signal(shim_.pidfd.get(), SIGKILL);
                (void)os::wait_for_exit(shim_.pid);
            }
        }
    }

    /// Reaps the shim when it ends in that time.
    bool has_shim_ended(int timeout_ms) {
        auto ready = os::wait_readable(shim_.pidfd.get(), timeout_ms);
        if (!ready || !*ready) return false;
        if (!reaped_) (void)os::wait_for_exit(shim_.pid);
        reaped_ = true;
        return true;
    }
    void start_shim_only() {
        static os::Fd binary = *open_shim_binary(shim_path());
        auto started = start_shim(binary.get());
        ASSERT_TRUE(started) << started.error().message();
        shim_ = std::move(*started);
        ASSERT_TRUE(shim_.connection.request(MessageType::Subscribe, std::string(), {}, 5000));
    }
    Result<Reply> launch(std::string script) {
        plan_.process.args = {"/bin/sh", "-c", std::move(script)};
        return launch_plan();
    }
    Result<Reply> launch_plan() {
        plan_.process.terminal = launch_.terminal;
        os::Fd memory = *os::sealed_memfd("plan", pack(plan_));
        const int fds[] = {memory.get()};
        auto reply = shim_.connection.request(MessageType::Launch, launch_, fds);
        if (reply) init_ = reply->pid;
        return reply;
    }
    void start(std::string script) {
        start_shim_only();
        auto reply = launch(std::move(script));
        ASSERT_TRUE(reply) << reply.error().message();
    }
    Result<Reply> attach(Client& client, Attach settings) {
        const int fds[] = {client.theirs.get()};
        auto reply = shim_.connection.request(MessageType::Attach, settings, fds);
        client.theirs.reset();
        return reply;
    }
    Attach all_streams() const {
        Attach settings;
        settings.framed = !launch_.terminal;
        settings.use_stdin = settings.use_stdout = settings.use_stderr = true;
        return settings;
    }
    Result<Reply> exec(const std::string& id, std::string script, Client* client, Exec message = {}) {
        runtime::ExecPlan plan;
        plan.container_id = plan_.container_id;
        plan.init_pid = init_;
        plan.process.args = {"/bin/sh", "-c", std::move(script)};
        plan.process.env = {"PATH=/bin"};
        plan.process.terminal = message.terminal;
        return exec_plan(id, plan, client, message);
    }
    Result<Reply> exec_plan(const std::string& id, const runtime::ExecPlan& plan, Client* client, Exec message) {
        message.exec_id = id;
        os::Fd memory = *os::sealed_memfd("plan", pack(plan));
        std::vector<int> fds = {memory.get()};
        if (client) {
            if (!message.attach) {
                message.attach = all_streams();
                message.attach->framed = !message.terminal;
            }
            fds.push_back(client->theirs.get());
        }
        auto reply = shim_.connection.request(MessageType::Exec, message, fds);
        if (client && reply) client->theirs.reset();
        return reply;
    }
    Event next_event(EventType type, int timeout_ms = 10'000) {
        for (;;) {
            auto event = shim_.connection.receive_event(timeout_ms);
            if (!event || !*event) {
                ADD_FAILURE() << "no event " << static_cast<int>(type) << (event ? "" : event.error().message());
                return {};
            }
            if ((*event)->type == type) return **event;
        }
    }
    void expect_release_ends_all() {
        auto reply = shim_.connection.request(MessageType::Release, Release{});
        EXPECT_TRUE(reply) << reply.error().message();
        EXPECT_FALSE(os::exists(socket_path(state_)));
        EXPECT_TRUE(has_shim_ended(5000));
    }
    std::string log_text() { return *os::read_file(launch_.log.path); }
    std::string log_words() {
        std::string out;
        for (auto& line : split_nonempty(log_text(), '\n')) {
            std::string text = line.substr(8, line.rfind("\",\"stream\"") - 8);
            out += replace_all(text, "\\n", "\n");
        }
        return out;
    }

    TestDirectory directory_;
    std::string root_, state_;
    runtime::Plan plan_;
    Launch launch_;
    StartedShim shim_;
    int init_ = 0;
    bool reaped_ = false;
};

TEST_F(ShimTest, RunsLogsRecordsAndEnds) {
    start("echo out; echo err >&2; exit 7");
    Event event = next_event(EventType::Exited);
    EXPECT_EQ(event.exit_code, 7);
    EXPECT_FALSE(event.out_of_memory);
    std::string log = log_text();
    EXPECT_NE(log.find("{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\""), std::string::npos) << log;
    EXPECT_NE(log.find("{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\""), std::string::npos) << log;
    auto record = read_exit_record(state_);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->exit_code, 7);
    EXPECT_EQ(record->finished_unix_nano, event.time_unix_nano);
    auto running = read_running_record(state_);
    ASSERT_TRUE(running);
    EXPECT_EQ(running->init_pid, init_);
    EXPECT_EQ(running->shim_pid, shim_.pid);
    EXPECT_TRUE(liveness(*running).shim);
    EXPECT_FALSE(liveness(*running).init);
    expect_release_ends_all();
    EXPECT_FALSE(liveness(*running).shim);
}

TEST_F(ShimTest, TellsTheSignalThatEndedTheInit) {
    start("kill -9 $$; sleep 100");  // the first process of a pid namespace ignores its own SIGKILL
    auto reply = shim_.connection.request(MessageType::Signal, Signal{"", SIGKILL});
    ASSERT_TRUE(reply);
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 137);
    auto late = shim_.connection.request(MessageType::Signal, Signal{"", SIGTERM});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind(), ErrorKind::NotFound);
    expect_release_ends_all();
}

TEST_F(ShimTest, PassesTheRuntimesErrorOnAndEnds) {
    start_shim_only();
    Client client;
    os::Fd kept = *os::duplicate(client.theirs.get());
    ASSERT_TRUE(attach(client, all_streams()));
    plan_.process.args = {"/no/such/program"};
    auto reply = launch_plan();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().number(), ENOENT) << reply.error().message();
    EXPECT_NE(reply.error().message().find("exec: \"/no/such/program\""), std::string::npos) << reply.error().message();
    EXPECT_TRUE(has_shim_ended(5000));
    EXPECT_FALSE(os::exists(socket_path(state_)));
    EXPECT_FALSE(os::exists(state_ + "/running"));
    ASSERT_TRUE(os::write_all(kept.get(), "the engine's words"));  // the connection is still whole
    kept.reset();
    EXPECT_EQ(client.read_all(), "the engine's words");
}

TEST_F(ShimTest, EndsWhenTheEngineLeavesBeforeLaunch) {
    start_shim_only();
    shim_.connection = {};
    EXPECT_TRUE(has_shim_ended(5000));
}

TEST_F(ShimTest, AnAttachBeforeLaunchMissesNothing) {
    start_shim_only();
    Client client;
    ASSERT_TRUE(attach(client, all_streams()));
    ASSERT_TRUE(launch("echo first; echo second >&2"));
    std::string frames = client.read_all();
    EXPECT_EQ(unframe(frames, 1), "first\n");
    EXPECT_EQ(unframe(frames, 2), "second\n");
    next_event(EventType::Exited);
}

TEST_F(ShimTest, StreamsAreChosenSeparately) {
    start_shim_only();
    Client out, err;
    Attach only_out, only_err;
    only_out.use_stdout = only_err.use_stderr = true;
    only_err.framed = false;
    ASSERT_TRUE(attach(out, only_out));
    ASSERT_TRUE(attach(err, only_err));
    ASSERT_TRUE(launch("echo out; echo err >&2"));
    EXPECT_EQ(unframe(out.read_all()), "out\n");
    EXPECT_EQ(err.read_all(), "err\n");
}

TEST_F(ShimTest, HalfCloseWithStdinOnceEndsTheProcesssInput) {
    launch_.open_stdin = launch_.stdin_once = true;
    start_shim_only();
    Client client;
    Attach settings = all_streams();
    settings.early_bytes = "early ";
    ASSERT_TRUE(attach(client, settings));
    ASSERT_TRUE(launch("cat; echo done"));
    client.write("late\n");
    ASSERT_TRUE(os::shutdown_write(client.socket.get()));
    EXPECT_EQ(unframe(client.read_all()), "early late\ndone\n");
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 0);
}

TEST_F(ShimTest, HalfCloseWithoutStdinOnceEndsOnlyThatAttach) {
    launch_.open_stdin = true;
    start("read a; echo got $a; read b; echo got $b");
    Client first, second;
    ASSERT_TRUE(attach(first, all_streams()));
    first.write("one\n");
    first.read_until("got one");
    ASSERT_TRUE(os::shutdown_write(first.socket.get()));
    EXPECT_EQ(first.read_all(), "");
    ASSERT_TRUE(attach(second, all_streams()));
    second.write("two\n");
    EXPECT_EQ(unframe(second.read_all()), "got two\n");
}

TEST_F(ShimTest, CloseStdinComesAfterWhatWasSent) {
    launch_.open_stdin = true;
    start("sleep 0.2; cat");
    Client client;
    ASSERT_TRUE(attach(client, all_streams()));
    std::string much(200'000, 'm');
    std::thread writer([&] { client.write(much); });
    ::usleep(100'000);
    writer.join();
    ::usleep(300'000);
    ASSERT_TRUE(shim_.connection.request(MessageType::CloseStdin, CloseStdin{}));
    EXPECT_EQ(unframe(client.read_all()).size(), much.size());
}

TEST_F(ShimTest, InputIsNotLostWhenAClientClosesAtOnce) {
    launch_.open_stdin = launch_.stdin_once = true;
    start("sleep 0.3; cat | busybox wc -c");
    {
        Client client;
        ASSERT_TRUE(attach(client, all_streams()));
        client.write(std::string(150'000, 'i'));
    }
    next_event(EventType::Exited);
    EXPECT_EQ(trim(log_words()), "150000");
}

TEST_F(ShimTest, ATerminalIsRawResizableAndDetachable) {
    launch_.terminal = launch_.open_stdin = true;
    plan_.process.console_height = 24;
    plan_.process.console_width = 80;
    start_shim_only();
    Client client;
    Attach settings = all_streams();
    settings.detach_keys = "\x10\x11";
    settings.attach_id = 42;
    ASSERT_TRUE(attach(client, settings));
    ASSERT_TRUE(launch("stty size; read x; stty size; read y; echo end $y"));
    client.read_until("24 80\r\n");
    ASSERT_TRUE(shim_.connection.request(MessageType::Resize, Resize{"", 50, 132}));
    client.write("\n");
    client.read_until("50 132\r\n");
    client.write("\x10");
    client.write("\x11");
    EXPECT_EQ(client.read_all(), "");
    EXPECT_EQ(next_event(EventType::Detached).attach_id, 42u);
    EXPECT_TRUE(shim_.connection.request(MessageType::Query, Query{})->running);
    Client again;
    ASSERT_TRUE(attach(again, settings));
    again.write("z\n");
    EXPECT_NE(again.read_all().find("end z\r\n"), std::string::npos);
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 0);
    EXPECT_NE(log_text().find("50 132\\r\\n"), std::string::npos);
}

TEST_F(ShimTest, ExecRunsBesideTheContainer) {
    start("sleep 100");
    Client client;
    auto reply = exec("e1", "echo hello; echo bad >&2; exit 3", &client);
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_GT(reply->pid, 0);
    std::string frames = client.read_all();
    EXPECT_EQ(unframe(frames, 1), "hello\n");
    EXPECT_EQ(unframe(frames, 2), "bad\n");
    Event event = next_event(EventType::ExecExited);
    EXPECT_EQ(event.exec_id, "e1");
    EXPECT_EQ(event.exit_code, 3);
    EXPECT_EQ(log_text(), "");
}

TEST_F(ShimTest, ExecTakesInputAndEndsItAtHalfClose) {
    start("sleep 100");
    Client client;
    Exec message;
    message.open_stdin = true;
    ASSERT_TRUE(exec("e1", "cat; echo over", &client, message));
    client.write("text\n");
    ASSERT_TRUE(os::shutdown_write(client.socket.get()));
    EXPECT_EQ(unframe(client.read_all()), "text\nover\n");
    EXPECT_EQ(next_event(EventType::ExecExited).exit_code, 0);
}

TEST_F(ShimTest, ExecWithATerminal) {
    start("sleep 100");
    Client client;
    Exec message;
    message.open_stdin = message.terminal = true;
    ASSERT_TRUE(exec("e1", "stty size; read x; stty size", &client, message));
    client.read_until("\r\n");
    ASSERT_TRUE(shim_.connection.request(MessageType::Resize, Resize{"e1", 33, 99}));
    client.write("\n");
    EXPECT_NE(client.read_all().find("33 99\r\n"), std::string::npos);
}

TEST_F(ShimTest, ExecWithoutAClientRunsDetached) {
    start("sleep 100");
    ASSERT_TRUE(exec("e1", "echo nobody; exit 4", nullptr));
    EXPECT_EQ(next_event(EventType::ExecExited).exit_code, 4);
    Exec message;
    message.terminal = true;
    ASSERT_TRUE(exec("e2", "echo nobody; exit 5", nullptr, message));
    EXPECT_EQ(next_event(EventType::ExecExited).exit_code, 5);
}

TEST_F(ShimTest, AFailedExecLeavesTheStreamToTheEngine) {
    start("sleep 100");
    Client client;
    runtime::ExecPlan plan;
    plan.container_id = plan_.container_id;
    plan.init_pid = init_;
    plan.process.args = {"/nope"};
    auto reply = exec_plan("e1", plan, &client, {});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().number(), ENOENT);
    ASSERT_TRUE(os::write_all(client.theirs.get(), "reason"));
    client.theirs.reset();
    EXPECT_EQ(client.read_all(), "reason");
    EXPECT_TRUE(shim_.connection.request(MessageType::Query, Query{})->running);
}

TEST_F(ShimTest, AHeldStreamEndsWithTheRelease) {
    start("sleep 100");
    Client client;
    Exec message;
    message.attach = all_streams();
    message.attach->hold_close = true;
    ASSERT_TRUE(exec("e1", "echo x", &client, message));
    next_event(EventType::ExecExited);
    client.read_until("x\n");
    EXPECT_FALSE(*os::wait_readable(client.socket.get(), 300));
    ASSERT_TRUE(shim_.connection.request(MessageType::Release, Release{"e1"}));
    EXPECT_EQ(client.read_all(500), "");
}

TEST_F(ShimTest, AnExecsGrandchildHoldsTheStreamTwoSecondsAtMost) {
    start("sleep 100");
    Client client;
    int64_t begin = monotonic_nanoseconds();
    ASSERT_TRUE(exec("e1", "sleep 50 & echo done", &client));
    EXPECT_EQ(unframe(client.read_all()), "done\n");
    int64_t took = (monotonic_nanoseconds() - begin) / 1'000'000;
    EXPECT_GE(took, 1900);
    EXPECT_LT(took, 3000);
}

TEST_F(ShimTest, ASlowClientLosesNothing) {
    start_shim_only();
    Client slow, quick;
    ASSERT_TRUE(attach(slow, all_streams()));
    ASSERT_TRUE(attach(quick, all_streams()));
    ASSERT_TRUE(launch("yes 'a line of output for a slow reader' | head -c 20000000"));
    std::string quick_frames;
    std::thread reader([&] { quick_frames = quick.read_all(60'000); });
    ::usleep(500'000);
    EXPECT_LT(os::status(launch_.log.path)->st_size, 12'000'000) << "the process should be held back";
    std::string frames = slow.read_all(60'000);
    reader.join();
    EXPECT_EQ(unframe(frames).size(), 20'000'000u);
    EXPECT_EQ(unframe(quick_frames).size(), 20'000'000u);
    next_event(EventType::Exited);
    EXPECT_EQ(log_words().size(), 20'000'000u);
}

TEST_F(ShimTest, OutputWaitsForASlowClientEvenAfterRelease) {
    start_shim_only();
    Client slow;
    ASSERT_TRUE(attach(slow, all_streams()));
    ASSERT_TRUE(launch("yes 0123456789 | head -c 1500000"));
    next_event(EventType::Exited);
    ASSERT_TRUE(shim_.connection.request(MessageType::Release, Release{}));
    EXPECT_FALSE(has_shim_ended(300));
    EXPECT_EQ(unframe(slow.read_all()).size(), 1'500'000u);
    slow.socket.reset();
    EXPECT_TRUE(has_shim_ended(5000));
}

TEST_F(ShimTest, AClientThatGoesAwayIsDropped) {
    start_shim_only();
    {
        Client client;
        ASSERT_TRUE(attach(client, all_streams()));
        ASSERT_TRUE(launch("yes some text | head -c 5000000"));
        client.read_until("some text");
    }
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 0);
    EXPECT_EQ(log_words().size(), 5'000'000u);
}

TEST_F(ShimTest, LivesOnWithoutAnEngineAndIsFoundAgain) {
    start("i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done; sleep 0.5; echo last; exit 9");
    shim_.connection = {};
    ::usleep(200'000);
    auto second = Connection::connect(state_);
    ASSERT_TRUE(second) << second.error().message();
    auto reply = second->request(MessageType::Query, Query{});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->pid, init_);
    EXPECT_TRUE(reply->running);
    shim_.connection = std::move(*second);
    ASSERT_TRUE(shim_.connection.request(MessageType::Subscribe, std::string(), {}, 1000));
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 9);
    std::string expected;
    for (int i = 0; i < 400; i++) expected += concat("line ", i, "\n");
    EXPECT_EQ(log_words(), expected + "last\n");
    expect_release_ends_all();
}

TEST_F(ShimTest, WithNoEngineTheExitRecordIsTheNews) {
    start("sleep 0.3; echo bye; exit 5");
    shim_.connection = {};
    EXPECT_TRUE(has_shim_ended(10'000));
    auto record = read_exit_record(state_);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->exit_code, 5);
    EXPECT_EQ(log_words(), "bye\n");
    EXPECT_FALSE(Connection::connect(state_));
}

TEST_F(ShimTest, ALateSubscriberHearsOfTheExit) {
    start("exit 6");
    next_event(EventType::Exited);
    auto second = Connection::connect(state_);
    ASSERT_TRUE(second) << second.error().message();
    ASSERT_TRUE(second->request(MessageType::Subscribe, std::string(), {}, 1000));
    auto event = second->receive_event(2000);
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->exit_code, 6);
}

TEST_F(ShimTest, SeveralEnginesMayBeConnected) {
    start("sleep 0.5");
    std::vector<Connection> others;
    for (int i = 0; i < 20; i++) {
        others.push_back(*Connection::connect(state_));
        ASSERT_TRUE(others.back().request(MessageType::Subscribe, std::string(), {}, 1000));
    }
    for (auto& other : others) {
        auto event = other.receive_event(5000);
        ASSERT_TRUE(event && *event);
        EXPECT_EQ((*event)->type, EventType::Exited);
    }
}

TEST_F(ShimTest, RefusesWhatItCannotDo) {
    start("sleep 100");
    auto kind = [](Result<Reply> reply) { return reply ? ErrorKind::Internal : reply.error().kind(); };
    EXPECT_EQ(kind(shim_.connection.request(MessageType::Signal, Signal{"no-exec", 9})), ErrorKind::NotFound);
    EXPECT_EQ(kind(shim_.connection.request(MessageType::CloseStdin, CloseStdin{})), ErrorKind::Conflict);
    EXPECT_EQ(kind(shim_.connection.request(MessageType::Release, Release{})), ErrorKind::Conflict);
    EXPECT_EQ(kind(launch("true")), ErrorKind::Conflict);
    EXPECT_EQ(kind(shim_.connection.request(MessageType::Resize, std::string("x"), {}, 1000)), ErrorKind::InvalidArgument);
    Client client;
    EXPECT_EQ(kind(shim_.connection.request(MessageType::Attach, all_streams())), ErrorKind::InvalidArgument);
}

TEST_F(ShimTest, ABrokenMessageEndsOnlyItsConnection) {
    start("sleep 100");
    os::Fd raw = *os::connect_unix(socket_path(state_), os::SocketType::SeqPacket);
    ASSERT_TRUE(os::send_message(raw.get(), std::string(60'000, '\xff')));
    ASSERT_TRUE(*os::wait_readable(raw.get(), 2000));
    auto message = os::receive_message(raw.get(), 100);
    EXPECT_TRUE(!message || message->data.empty());
    EXPECT_TRUE(shim_.connection.request(MessageType::Query, Query{})->running);
}

TEST_F(ShimTest, TellsOfOutOfMemoryAndRemovesTheGroup) {
    plan_.cgroup_path = "/proa-shim-test/" + plan_.container_id;
    plan_.limits.memory_limit = 16 << 20;
    start("sleep 0.2; sh -c 'x=0123456789; while :; do x=$x$x; done'; sleep 0.2; exit 0");
    auto group = *cgroup::Group::at(plan_.cgroup_path);
    EXPECT_TRUE(group.exists());
    EXPECT_TRUE(next_event(EventType::OutOfMemory, 20'000).out_of_memory);
    Event event = next_event(EventType::Exited, 20'000);
    EXPECT_TRUE(event.out_of_memory);
    EXPECT_EQ(event.exit_code, 0);
    EXPECT_TRUE(read_exit_record(state_)->out_of_memory);
    expect_release_ends_all();
    EXPECT_FALSE(group.exists());
    (void)cgroup::Group::at("/proa-shim-test")->remove();
}

/// The same container by another OCI runtime.
class ForeignRuntimeTest : public ShimTest, public testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        ShimTest::SetUp();
        if (IsSkipped()) return;
        if (!os::exists(GetParam())) GTEST_SKIP() << GetParam() << " is not installed";
        // crun 1.8 refuses hosts where cgroup2 carries a controller beside v1: hide it from here on.
        if (std::string_view(GetParam()).ends_with("crun") && os::exists("/sys/fs/cgroup/unified/cgroup.procs")) {
            ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
            ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
            ASSERT_EQ(::umount2("/sys/fs/cgroup/unified", MNT_DETACH), 0);
        }
        for (auto name : {"/upper", "/work", "/rootfs", "/bundle", "/runtime-state"})
            ASSERT_TRUE(os::make_directories(directory_.path + name, 0755));
        launch_.foreign_runtime = GetParam();
        launch_.foreign_runtime_args = {"--root", directory_.path + "/runtime-state"};
        launch_.bundle_directory = directory_.path + "/bundle";
        launch_.rootfs_mount = directory_.path + "/rootfs";
        plan_.root.overlay_lower = {root_};
        plan_.root.overlay_upper = directory_.path + "/upper";
        plan_.root.overlay_work = directory_.path + "/work";
        plan_.cgroup_path = "/proa-shim-test/" + plan_.container_id;
    }
    void TearDown() override {
        ShimTest::TearDown();
        if (auto parent = cgroup::Group::at("/proa-shim-test")) (void)parent->remove();
    }
    std::string process_json(const std::string& script) {
        return concat(R"({"terminal":)", launch_.terminal, R"(,"user":{"uid":0,"gid":0},"args":["/bin/sh","-c",)", quote(script),
                      R"(],"env":["PATH=/bin"],"cwd":"/"})");
    }
    Result<Reply> launch_bundle(const std::string& process) {
        std::string config = concat(R"({"ociVersion":"1.0.2","process":)", process, R"(,"root":{"path":")", launch_.rootfs_mount,
            R"("},"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs"},)"
            R"({"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666"]}],)"
            R"("linux":{"cgroupsPath":")", plan_.cgroup_path, R"(","namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]}})");
        EXPECT_TRUE(os::write_file(launch_.bundle_directory + "/config.json", config));
        return launch_plan();
    }
};

TEST_P(ForeignRuntimeTest, BehavesAsOurOwn) {
    launch_.open_stdin = launch_.stdin_once = true;
    start_shim_only();
    Client client;
    ASSERT_TRUE(attach(client, all_streams()));
    auto reply = launch_bundle(process_json("echo written > /file; cat; echo err >&2; exit 7"));
    ASSERT_TRUE(reply) << reply.error().message();
    const std::string process_file = directory_.path + "/exec.json";
    ASSERT_TRUE(os::write_file(process_file, process_json("echo from exec; exit 4")));
    Client exec_client;
    Exec message;
    message.process_file = process_file;
    auto executed = exec("e1", "unused", &exec_client, message);
    ASSERT_TRUE(executed) << executed.error().message();
    EXPECT_EQ(unframe(exec_client.read_all()), "from exec\n");
    EXPECT_EQ(next_event(EventType::ExecExited).exit_code, 4);
    client.write("input\n");
    ASSERT_TRUE(os::shutdown_write(client.socket.get()));
    std::string frames = client.read_all();
    EXPECT_EQ(unframe(frames, 1), "input\n");
    EXPECT_EQ(unframe(frames, 2), "err\n");
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 7);
    EXPECT_EQ(*os::read_file(directory_.path + "/upper/file"), "written\n");
    EXPECT_TRUE(os::list_directory(launch_.rootfs_mount)->empty()) << "the overlay leaked to the host";
    expect_release_ends_all();
    EXPECT_TRUE(os::list_directory(directory_.path + "/runtime-state")->empty());
    EXPECT_FALSE(os::exists(cgroup::Group::at(plan_.cgroup_path)->directory("memory")));
}

TEST_P(ForeignRuntimeTest, GivesATerminal) {
    launch_.terminal = launch_.open_stdin = true;
    start_shim_only();
    Client client;
    ASSERT_TRUE(attach(client, all_streams()));
    auto reply = launch_bundle(process_json("read x; stty size; echo got $x"));
    ASSERT_TRUE(reply) << reply.error().message();
    ASSERT_TRUE(shim_.connection.request(MessageType::Resize, Resize{"", 40, 100}));
    client.write("word\n");
    std::string text = client.read_all();
    EXPECT_NE(text.find("40 100\r\ngot word\r\n"), std::string::npos) << text;
    expect_release_ends_all();
}

TEST_P(ForeignRuntimeTest, PassesItsErrorOn) {
    start_shim_only();
    auto reply = launch_bundle(R"({"user":{"uid":0,"gid":0},"args":["/nope"],"env":["PATH=/bin"],"cwd":"/"})");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().number(), ENOENT) << reply.error().message();
    EXPECT_NE(reply.error().message().find("nope"), std::string::npos) << reply.error().message();
    EXPECT_TRUE(has_shim_ended(5000));
    EXPECT_TRUE(os::list_directory(directory_.path + "/runtime-state")->empty());
}

INSTANTIATE_TEST_SUITE_P(Runtimes, ForeignRuntimeTest, testing::Values("/usr/sbin/runc", "/usr/bin/crun"),
                         [](auto& info) { return os::base_name(info.param); });

TEST_F(ShimTest, APooledShimLaunchesFromItsParkedGroup) {
    const std::string pool = "/proa-shim-test/pool-" + plan_.container_id;
    plan_.cgroup_path = "/proa-shim-test/" + plan_.container_id;
    os::Fd binary = *open_shim_binary(shim_path());
    shim_ = *start_shim(binary.get(), pool);
    ASSERT_TRUE(shim_.connection.request(MessageType::Subscribe, std::string(), {}, 5000));
    EXPECT_TRUE(cgroup::Group::at(pool)->exists());
    int64_t begin = monotonic_nanoseconds();
    auto reply = launch("echo pooled; exit 3");
    ASSERT_TRUE(reply) << reply.error().message();
    printf("pooled launch: %ld us\n", static_cast<long>((monotonic_nanoseconds() - begin) / 1000));
    EXPECT_EQ(next_event(EventType::Exited).exit_code, 3);
    EXPECT_EQ(log_words(), "pooled\n");
    EXPECT_FALSE(cgroup::Group::at(pool)->exists());
    expect_release_ends_all();
    EXPECT_FALSE(cgroup::Group::at(plan_.cgroup_path)->exists());
    (void)cgroup::Group::at("/proa-shim-test")->remove();
}

TEST_F(ShimTest, APooledShimThatIsNotWantedLeavesNothing) {
    const std::string pool = "/proa-shim-test/pool-" + plan_.container_id;
    os::Fd binary = *open_shim_binary(shim_path());
    shim_ = *start_shim(binary.get(), pool);
    ASSERT_TRUE(shim_.connection.request(MessageType::Subscribe, std::string(), {}, 5000));
    shim_.connection = {};
    EXPECT_TRUE(has_shim_ended(5000));
    EXPECT_FALSE(cgroup::Group::at(pool)->exists());
    (void)cgroup::Group::at("/proa-shim-test")->remove();
}

TEST_F(ShimTest, CarriesAPublishedPort) {
    os::Fd target(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), published(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto listen_on = [](int socket) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(socket, 16), 0);
        EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
        return address;
    };
    sockaddr_in target_address = listen_on(target.get()), published_address = listen_on(published.get());
    start_shim_only();
    plan_.process.args = {"/bin/sleep", "100"};
    os::Fd memory = *os::sealed_memfd("plan", pack(plan_));
    launch_.proxies.push_back({1, "127.0.0.1", ntohs(target_address.sin_port)});
    const int fds[] = {memory.get(), published.get()};
    auto reply = shim_.connection.request(MessageType::Launch, launch_, fds);
    ASSERT_TRUE(reply) << reply.error().message();
    published.reset();
    Client client;
    client.socket = os::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.socket.get(), reinterpret_cast<sockaddr*>(&published_address), sizeof published_address), 0);
    os::Fd server = *os::accept_connection(target.get(), false);
    std::string much(3'000'000, 'p'), received;
    std::thread writer([&] {
        client.write(much);
        (void)os::shutdown_write(client.socket.get());
    });
    received = *os::read_to_end(server.get(), 10 << 20);  // ends by the half-close
    writer.join();
    EXPECT_EQ(received.size(), much.size());
    ASSERT_TRUE(os::write_all(server.get(), "answer after half-close"));
    server.reset();
    EXPECT_EQ(client.read_all(), "answer after half-close");
}

int64_t smaps_kib(pid_t pid, std::string_view field) {
    for (auto& line : split(*os::read_file(concat("/proc/", pid, "/smaps_rollup")), '\n'))
        if (line.starts_with(field)) return *parse_int(split_fields(line)[1]);
    return -1;
}

TEST_F(ShimTest, StaysSmall) {
    start("yes 'this is a line of a log, eighty characters long, like the usual ones we meet 00' | head -c 50000000; sleep 100");
    while (os::status(launch_.log.path)->st_size < 80'000'000) ::usleep(50'000);
    Client client;
    ASSERT_TRUE(exec("e1", "echo x", &client));
    client.read_all();
    ::usleep(2'800'000);  // the buffers' pages go back when all is quiet
    // The program's pages are one copy for all shims; Anonymous is what each has for itself.
    int64_t pss = smaps_kib(shim_.pid, "Pss:"), own = smaps_kib(shim_.pid, "Anonymous:");
    printf("shim alone: PSS %ld KiB, of its own %ld KiB\n", static_cast<long>(pss), static_cast<long>(own));
    EXPECT_LT(pss, 1024);
    EXPECT_LT(own, 150);
    EXPECT_EQ(trim(replace_all(*os::read_file(concat("/proc/", shim_.pid, "/cmdline"), 4096), std::string_view("\0", 1), " ")),
              "proa-shim " + launch_.container_id);
    EXPECT_EQ(trim(*os::read_file(concat("/proc/", shim_.pid, "/comm"))), "proa-shim");
}

TEST_F(ShimTest, LogsFast) {
    std::string lines;
    while (lines.size() < 20'000'000) lines += "this is a line of a log, eighty characters long, like the usual ones we meet 00\n";
    ASSERT_TRUE(os::write_file(root_ + "/lines", lines));
    start_shim_only();
    int64_t begin = monotonic_nanoseconds();
    ASSERT_TRUE(launch(::getenv("SCRIPT") ? ::getenv("SCRIPT") : "for i in 1 2 3 4 5 6 7 8 9 10; do cat /lines /lines; done"));
    next_event(EventType::Exited, 60'000);
    double seconds = static_cast<double>(monotonic_nanoseconds() - begin) / 1e9;
    double mb_per_s = 20 * static_cast<double>(lines.size()) / 1e6 / seconds;
    printf("container to json-file: %.0f MB/s of 80-byte lines; shim CPU %s ticks\n", mb_per_s,
           join({split_fields(*os::read_file(concat("/proc/", shim_.pid, "/stat")))[13], split_fields(*os::read_file(concat("/proc/", shim_.pid, "/stat")))[14]}, "+").c_str());
    RecordProperty("mb_per_s", static_cast<int>(mb_per_s));
}

TEST_F(ShimTest, KilledShimTakesItsInitAlong) {
    start("sleep 100");
    auto record = *read_running_record(state_);
    EXPECT_TRUE(liveness(record).init);
    ASSERT_TRUE(os::send_signal(shim_.pidfd.get(), SIGKILL));
    ASSERT_TRUE(has_shim_ended(2000));
    EXPECT_FALSE(liveness(record).shim);
    auto status = os::wait_for_exit(record.init_pid);  // ours as the subreaper
    ASSERT_TRUE(status) << status.error().message();
    EXPECT_EQ(status->signal, SIGKILL);
    EXPECT_FALSE(liveness(record).init);
    EXPECT_FALSE(read_exit_record(state_));
}

}  // namespace
}  // namespace proa::shim
