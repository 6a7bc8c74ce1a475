#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include "container/container.h"
#include "container/event_bus.h"
#include "container/exec.h"
#include "container/log_reader.h"
#include "container/plan.h"
#include "container/record_store.h"
#include "os/capability.h"
#include "os/file.h"

namespace proa::container {

namespace {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/proa-container-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~TemporaryDirectory() { (void)os::remove_tree(path_); }
    std::string operator/(std::string_view name) const { return concat(path_, '/', name); }

private:
    std::string path_;
};

Record make_record(char digit, const std::string& name) {
    Record record;
    record.id = std::string(64, digit);
    record.name = name;
    record.created = now();
    return record;
}

std::string log_line(int number, std::string_view stream = "stdout") {
    return concat("{\"log\":\"line ", number, "\\n\",\"stream\":\"", stream, "\",\"time\":\"2026-01-01T00:00:", number < 10 ? "0" : "", number, "Z\"}\n");
}

std::vector<std::string> read_all(LogReader& reader) {
    std::vector<std::string> texts;
    for (;;) {
        auto message = reader.next();
        EXPECT_TRUE(message) << message.error().message();
        if (!message || !*message) return texts;
        texts.push_back((*message)->text);
    }
}

}  // namespace

TEST(Container, KeepsARenderingUntilTheRecordOrThePurposeChanges) {
    Container container(make_record('a', "one"));
    int made = 0;
    auto text = [&](std::string_view purpose) {
        std::string out = "<";
        container.append_rendering(out, purpose, [&](const Record& record) { return concat(record.name, ++made); });
        return out;
    };
    EXPECT_EQ(text("x"), "<one1");
    EXPECT_EQ(text("x"), "<one1");
    EXPECT_EQ(text("y"), "<one2");
    container.change([](Record& record) { record.name = "two"; });
    EXPECT_EQ(text("y"), "<two3");
}

TEST(Exec, IsUnfinishedFromItsBeginningToItsKnownEnd) {
    Exec exec("e", "c", {});
    EXPECT_FALSE(exec.unfinished());
    ASSERT_TRUE(exec.begin());
    EXPECT_TRUE(exec.unfinished() && !exec.running());
    exec.finished(3);  // before started(): the process was quicker than its starter
    exec.started(1);
    EXPECT_FALSE(exec.unfinished() || exec.running());
    EXPECT_EQ(exec.exit_code(), 3);
}

TEST(RecordStore, KeepsRecordsAndRefusesTakenNames) {
    TemporaryDirectory directory;
    {
        auto store = RecordStore::open(directory / "records.db");
        ASSERT_TRUE(store) << store.error().message();
        ASSERT_TRUE((*store)->save(make_record('a', "one"), RecordStore::Durable::Yes));
        ASSERT_TRUE((*store)->save(make_record('b', "two"), RecordStore::Durable::No));
        EXPECT_TRUE((*store)->save(make_record('c', "one"), RecordStore::Durable::Yes).error().is(ErrorKind::Conflict));
        ASSERT_TRUE((*store)->remove(std::string(64, 'b'), RecordStore::Durable::Yes));
    }
    auto store = RecordStore::open(directory / "records.db");
    auto records = (*store)->load_all();
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 1u);
    EXPECT_EQ((*records)[0].name, "one");
}

TEST(RecordStore, SetsADamagedDatabaseAside) {
    TemporaryDirectory directory;
    ASSERT_TRUE(os::write_file(directory / "records.db", std::string(8192, 'x')));
    auto store = RecordStore::open(directory / "records.db");
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_TRUE((*store)->load_all()->empty());
}

TEST(Table, FindsByIdNameAndPrefix) {
    Table table;
    ASSERT_TRUE(table.add(std::make_shared<Container>(make_record('a', "one"))));
    EXPECT_TRUE(table.find("one"));
    EXPECT_TRUE(table.find("/one"));
    EXPECT_TRUE(table.find("aaaa"));
    EXPECT_EQ(table.find("zz").error().message(), "No such container: zz");
    auto taken = table.add(std::make_shared<Container>(make_record('b', "one")));
    ASSERT_FALSE(taken);
    EXPECT_TRUE(taken.error().message().starts_with("Conflict. The container name \"/one\" is already in use by container \"aaaa"));
}

TEST(Waiter, NextExitCountsFromTheRegistration) {
    Container container(make_record('a', "one"));
    EXPECT_TRUE((*container.wait_for(WaitCondition::NotRunning))->result());
    auto waiter = *container.wait_for(WaitCondition::NextExit);
    EXPECT_FALSE(waiter->result());
    container.notify_exited(7);
    pollfd entry{waiter->ready_fd(), POLLIN, 0};
    EXPECT_EQ(poll(&entry, 1, 0), 1);
    EXPECT_EQ(waiter->result()->exit_code, 7);
}

TEST(EventBus, ReplaysAndDelivers) {
    EventBus bus;
    bus.publish("container", "create", "x", {});
    auto subscription = *bus.subscribe(0);
    bus.publish("container", "start", "x", {});
    auto events = subscription->take();
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].action, "start");
    EXPECT_LT(events[0].time_nano, events[1].time_nano);
}

TEST(LogReader, ReadsRotatedFilesInOrder) {
    TemporaryDirectory directory;
    ASSERT_TRUE(os::write_file(directory / "log.2", log_line(1) + log_line(2)));
    ASSERT_TRUE(os::write_file(directory / "log.1", log_line(3)));
    ASSERT_TRUE(os::write_file(directory / "log", log_line(4) + log_line(5, "stderr")));
    auto all = *LogReader::open(directory / "log", {});
    EXPECT_EQ(read_all(all).size(), 5u);
    auto tail = *LogReader::open(directory / "log", LogOptions{.tail = 3});
    EXPECT_EQ(read_all(tail), (std::vector<std::string>{"line 3\n", "line 4\n", "line 5\n"}));
    auto errors = *LogReader::open(directory / "log", LogOptions{.with_stdout = false, .tail = 1});
    EXPECT_EQ(read_all(errors), std::vector<std::string>{"line 5\n"});
    auto none = *LogReader::open(directory / "log", LogOptions{.tail = 0});
    EXPECT_TRUE(read_all(none).empty());
    auto since = *LogReader::open(directory / "log", LogOptions{.since_unix_nano = parse_rfc3339("2026-01-01T00:00:03Z")->unix_nano(),
                                                                .until_unix_nano = parse_rfc3339("2026-01-01T00:00:04Z")->unix_nano()});
    EXPECT_EQ(read_all(since), (std::vector<std::string>{"line 3\n", "line 4\n"}));
}

TEST(LogReader, FollowsAcrossRotations) {
    TemporaryDirectory directory;
    std::string path = directory / "log";
    ASSERT_TRUE(os::write_file(path, log_line(1)));
    auto reader = *LogReader::open(path, {});
    EXPECT_EQ(read_all(reader).size(), 1u);
    ASSERT_TRUE(os::rename_path(path, path + ".1"));
    ASSERT_TRUE(os::write_file(path, log_line(2)));
    ASSERT_TRUE(os::rename_path(path + ".1", path + ".2"));
    ASSERT_TRUE(os::rename_path(path, path + ".1"));
    ASSERT_TRUE(os::write_file(path, log_line(3)));
    EXPECT_EQ(read_all(reader), (std::vector<std::string>{"line 2\n", "line 3\n"}));
}

TEST(LogReader, LosesNothingWhenFilesMoveBetweenReads) {
    TemporaryDirectory directory;
    std::string path = directory / "log";
    ASSERT_TRUE(os::write_file(path + ".2", log_line(1)));
    ASSERT_TRUE(os::write_file(path + ".1", log_line(2)));
    ASSERT_TRUE(os::write_file(path, log_line(3)));
    auto reader = *LogReader::open(path, {});
    ASSERT_TRUE(*reader.next());
    // Two rotations behind the reader's back; the oldest file is gone afterwards.
    ASSERT_TRUE(os::rename_path(path + ".1", path + ".2"));
    ASSERT_TRUE(os::rename_path(path, path + ".1"));
    ASSERT_TRUE(os::write_file(path, log_line(4)));
    ASSERT_TRUE(os::rename_path(path + ".1", path + ".2"));
    ASSERT_TRUE(os::rename_path(path, path + ".1"));
    ASSERT_TRUE(os::write_file(path, log_line(5)));
    EXPECT_EQ(read_all(reader), (std::vector<std::string>{"line 2\n", "line 3\n", "line 4\n", "line 5\n"}));
}

TEST(LogLine, KeepsEscapes) {
    LogMessage message;
    ParsedSecond second;
    message.text = "what another line left";
    ASSERT_TRUE(parse_log_line(R"({"log":"a\"b\\\u003c\u00e9\n","stream":"stderr","time":"2026-01-01T00:00:00.5Z"})", false, message, second));
    EXPECT_EQ(message.text, "a\"b\\<\u00e9\n");
    EXPECT_TRUE(message.from_stderr);
    EXPECT_EQ(message.time.nanoseconds, 500000000);
    EXPECT_FALSE(parse_log_line("no JSON", false, message, second));
}

TEST(LogLine, ReadsTimesOfOneSecondAndOfOthers) {
    LogMessage message;
    ParsedSecond second;
    for (std::string_view time : {"2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.500000001Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01.000000009Z", "2026-01-01T00:00:01.25+01:00", "2026-01-01T00:00:01.1Z"}) {
        ASSERT_TRUE(parse_log_line(concat(R"({"log":"x\n","stream":"stdout","time":")", time, "\"}"), false, message, second)) << time;
        EXPECT_EQ(message.time, *parse_rfc3339(time)) << time;
    }
    for (std::string_view time : {"2026-01-01T00:00:01.Z", "2026-01-01T00:00:01.12x4Z", "2026-01-01T00:00:01.-5Z"})
        EXPECT_FALSE(parse_log_line(concat(R"({"log":"x\n","stream":"stdout","time":")", time, "\"}"), false, message, second)) << time;
}

TEST(Plan, CapabilitiesFollowDocker) {
    docker::HostConfig host;
    EXPECT_EQ(capability_sets(host)->bounding, 0xa80425fbu);
    EXPECT_EQ(capability_sets(host)->inheritable, 0u);
    host.cap_drop = {{"ALL"}};
    host.cap_add = {{"net_admin"}};
    EXPECT_EQ(capability_sets(host)->effective, 1u << 12);
    host.cap_add = {{"CAP_FOO"}};
    EXPECT_EQ(capability_sets(host).error().message(), "invalid CapAdd: unknown capability: \"CAP_FOO\"");
}

TEST(Plan, UserMountReplacesADefaultOne) {
    Record record = make_record('a', "one");
    record.path = "true";
    record.host_config.tmpfs["/dev/shm"] = "size=1m";
    auto plan = make_plan(record, PlanInputs{});
    ASSERT_TRUE(plan) << plan.error().message();
    int count = 0;
    for (auto& mount : plan->mounts) count += mount.destination == "/dev/shm";
    EXPECT_EQ(count, 1);
    EXPECT_EQ(plan->mounts.back().data, "size=1m");
}

}  // namespace proa::container
