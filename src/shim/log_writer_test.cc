#include "shim/log_writer.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"
#include "shim/json_line.h"
#include "shim/test_directory.h"

namespace proa::shim {
namespace {

const std::string kFixtures = os::directory_of(__FILE__) + "/fixtures/";

struct Message {
    std::string text, stream, time;
};
/// Splits a line without a JSON library: the writer's key order is part of the contract.
Message parse(std::string_view line) {
    auto tail = line.rfind("\",\"stream\":\"");
    EXPECT_EQ(line.substr(0, 8), "{\"log\":\"");
    Message message{std::string(line.substr(8, tail - 8)), std::string(line.substr(tail + 12, 6)), ""};
    auto time = line.rfind("\"time\":\"");
    message.time = std::string(line.substr(time + 8, line.size() - time - 10));
    return message;
}
std::vector<Message> read_messages(const std::string& path) {
    std::vector<Message> messages;
    for (auto& line : split_nonempty(*os::read_file(path), '\n')) messages.push_back(parse(line));
    return messages;
}

LogSettings settings_for(const TestDirectory& directory) {
    LogSettings settings;
    settings.driver = LogDriver::JsonFile;
    settings.path = directory.path + "/c-json.log";
    return settings;
}

TEST(JsonFile, EqualsDockersFileButForTimes) {
    TestDirectory directory;
    auto writer = *LogWriter::open(settings_for(directory));
    std::string input = *os::read_file(kFixtures + "json_file_input.bin");
    writer->append(OutputStream::Stdout, input, now());
    writer->finish(OutputStream::Stdout, now());
    auto strip = [](const std::string& text) {
        std::string out;
        for (auto& line : split_nonempty(text, '\n')) out += line.substr(0, line.rfind("\"time\":")) + "\n";
        return out;
    };
    EXPECT_EQ(strip(*os::read_file(directory.path + "/c-json.log")), strip(*os::read_file(kFixtures + "json_file_docker.log")));
}

TEST(JsonFile, IsTheSameForEverySplitIntoReads) {
    std::string input = *os::read_file(kFixtures + "json_file_input.bin"), expected;
    for (size_t step : {1u << 20, 1u, 7u, 64u, 4095u}) {
        TestDirectory directory;
        auto writer = *LogWriter::open(settings_for(directory));
        Time when{1700000000, 120000000};
        for (size_t at = 0; at < input.size(); at += step) writer->append(OutputStream::Stderr, std::string_view(input).substr(at, step), when);
        writer->finish(OutputStream::Stderr, when);
        std::string text = *os::read_file(directory.path + "/c-json.log");
        if (expected.empty()) expected = text;
        EXPECT_EQ(text, expected) << "reads of " << step;
    }
    EXPECT_NE(expected.find("\"stream\":\"stderr\",\"time\":\"2023-11-14T22:13:20.12Z\"}\n"), std::string::npos);
}

TEST(JsonFile, SplitsLongLinesWhereDockerDoes) {
    TestDirectory directory;
    auto writer = *LogWriter::open(settings_for(directory));
    std::string input;
    for (size_t size : {1, 100, 16382, 16383, 16384, 16385, 32768, 40000}) input += std::string(size, 'x') + "\n";
    input += "\n" + std::string(20000, 'y');
    for (size_t at = 0; at < input.size(); at += 4096)
        writer->append(OutputStream::Stdout, std::string_view(input).substr(at, 4096), Time{1700000000, static_cast<int32_t>(at)});
    writer->finish(OutputStream::Stdout, now());
    std::vector<std::pair<size_t, bool>> found;
    std::string last_time;
    bool continued = false;
    for (auto& message : read_messages(directory.path + "/c-json.log")) {
        bool complete = message.text.ends_with("\\n");
        found.emplace_back(message.text.size() - (complete ? 2 : 0), complete);
        if (continued) {
            EXPECT_EQ(message.time, last_time) << "the messages of one line share a time";
        }
        last_time = message.time;
        continued = !complete;
    }
    std::vector<std::pair<size_t, bool>> expected = {
        {1, true}, {100, true}, {16382, true}, {16383, true}, {16384, false}, {0, true}, {16384, false}, {1, true},
        {16384, false}, {16384, false}, {0, true}, {16384, false}, {16384, false}, {7232, true}, {0, true}, {16384, false}, {3616, false}};
    EXPECT_EQ(found, expected);
}

TEST(JsonFile, LinesOfOneReadAreANanosecondApart) {
    for (Time begin : {Time{1700000000, 999'999'850}, Time{1700000000, 0}, Time{1700000000, 123'456'700}}) {
        TestDirectory directory;
        auto writer = *LogWriter::open(settings_for(directory));
        std::string lines;
        for (int i = 0; i < 300; i++) lines += "x\n";
        writer->append(OutputStream::Stdout, lines, begin);
        int64_t expected = begin.unix_nano();
        for (auto& line : split_nonempty(*os::read_file(directory.path + "/c-json.log"), '\n')) {
            size_t at = line.find("\"time\":\"") + 8;
            EXPECT_EQ(line.substr(at), concat(rfc3339_nano(Time::from_unix_nano(expected++)), "\"}"));
        }
        EXPECT_EQ(expected, begin.unix_nano() + 300);
    }
}

TEST(JsonFile, PutsAttributesBetweenStreamAndTime) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    settings.attributes = R"({"a":"b"})";
    auto writer = *LogWriter::open(settings);
    writer->append(OutputStream::Stdout, "hi\n", Time{1700000000, 0});
    EXPECT_EQ(*os::read_file(settings.path), "{\"log\":\"hi\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"2023-11-14T22:13:20Z\"}\n");
}

TEST(EscapeJson, AgreesWithItselfAtEveryAlignment) {
    std::string text = "0123456789\"abcdefghijklmn\x01op\xc3\xa9qrstuvwxyz<>&\xff\xe2\x80\xa8 tail of plain text";
    for (size_t from = 0; from < text.size(); from++) {
        std::string whole(escaped_size_max(text.size()), '\0'), pieces;
        whole.resize(static_cast<size_t>(escape_json(std::string_view(text).substr(from), whole.data()) - whole.data()));
        for (size_t i = from; i < text.size();) {  // one character at a time
            size_t length = text.compare(i, 3, "\xe2\x80\xa8") == 0 ? 3 : text.compare(i, 2, "\xc3\xa9") == 0 ? 2 : 1;
            char one[64];
            pieces.append(one, static_cast<size_t>(escape_json(std::string_view(text).substr(i, length), one) - one));
            i += length;
        }
        if ((text[from] & 0xC0) != 0x80) {
            EXPECT_EQ(whole, pieces) << from;
        }
    }
}

TEST(Rotation, KeepsEveryLineInOrderOverAThousandRotations) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    settings.max_size = 2000;
    settings.max_files = 2000;
    auto writer = *LogWriter::open(settings);
    std::string batch;
    int total = 0;
    while (!os::exists(settings.path + ".1000")) {
        batch.clear();
        for (int i = 0; i < 500; i++) batch += concat("line ", total++, "\n");
        writer->append(OutputStream::Stdout, batch, now());
    }
    int next = 0, files = 0;
    for (int number = 1999; number >= 0; number--) {
        std::string path = number ? concat(settings.path, ".", number) : settings.path;
        if (!os::exists(path)) continue;
        files++;
        if (number) {  // at least max-size, and the last line began below it
            std::string text = *os::read_file(path);
            EXPECT_GE(text.size(), 2000u);
            EXPECT_LT(text.rfind('\n', text.size() - 2) + 1, 2000u);
        }
        for (auto& message : read_messages(path)) EXPECT_EQ(message.text, concat("line ", next++, "\\n"));
    }
    EXPECT_EQ(next, total);
    EXPECT_GT(files, 1000);
}

TEST(Rotation, KeepsOnlySoManyFiles) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    settings.max_size = 1000;
    settings.max_files = 3;
    auto writer = *LogWriter::open(settings);
    for (int i = 1; i <= 100; i++) writer->append(OutputStream::Stdout, concat(i, "\n"), now());
    EXPECT_EQ(*os::list_directory(directory.path), (std::vector<std::string>{"c-json.log", "c-json.log.1", "c-json.log.2"}));
    EXPECT_EQ(read_messages(settings.path).back().text, "100\\n");
}

TEST(Rotation, WithOneFileStartsItAgain) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    settings.max_size = 1000;
    auto writer = *LogWriter::open(settings);
    for (int i = 1; i <= 100; i++) writer->append(OutputStream::Stdout, concat(i, "\n"), now());
    EXPECT_EQ(os::list_directory(directory.path)->size(), 1u);
    EXPECT_LT(os::status(settings.path)->st_size, 1200);
    EXPECT_EQ(read_messages(settings.path).back().text, "100\\n");
}

TEST(Rotation, CompressesInAChildAndHoldsBackMeanwhile) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    settings.max_size = 100'000;
    settings.max_files = 4;
    settings.compress = true;
    auto writer = *LogWriter::open(settings);
    std::string line(99, 'z');
    int blocked = 0;
    for (int i = 0; i < 2000; i++) {
        writer->append(OutputStream::Stdout, line + "\n", now());
        if (!writer->blocked()) continue;
        blocked++;
        ASSERT_EQ(os::wait_for_exit(writer->compressor())->code, 0);
        writer->compressor_ended();
        EXPECT_FALSE(writer->blocked());
    }
    if (writer->compressor() > 0) {
        (void)os::wait_for_exit(writer->compressor());
        writer->compressor_ended();
    }
    EXPECT_EQ(*os::list_directory(directory.path), (std::vector<std::string>{"c-json.log", "c-json.log.1.gz", "c-json.log.2.gz", "c-json.log.3.gz"}));
    EXPECT_LT(os::status(settings.path + ".1.gz")->st_size, 10'000);
    EXPECT_EQ(::system(concat("gzip -t ", settings.path, ".1.gz ", settings.path, ".2.gz").c_str()), 0);
}

TEST(LogFile, LosesOnlyTheLineThatACrashCutShort) {
    TestDirectory directory;
    auto settings = settings_for(directory);
    (*LogWriter::open(settings))->append(OutputStream::Stdout, "one\ntwo\n", now());
    std::string whole = *os::read_file(settings.path);
    ASSERT_TRUE(os::write_file(settings.path, whole + "{\"log\":\"thr"));
    (*LogWriter::open(settings))->append(OutputStream::Stdout, "four\n", now());
    auto messages = read_messages(settings.path);
    ASSERT_EQ(messages.size(), 3u);
    EXPECT_EQ(messages[2].text, "four\\n");
}

TEST(LogFile, CountsWhatAFullDiskCostsAndSaysSo) {
    if (::geteuid() != 0) GTEST_SKIP() << "mounts a small tmpfs";
    TestDirectory directory;
    pid_t child = ::fork();
    if (child == 0) {  // in a mount namespace of its own
        if (::unshare(CLONE_NEWNS) < 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) ::_exit(2);
        if (::mount("tmpfs", directory.path.c_str(), "tmpfs", 0, "size=64k") < 0) ::_exit(2);
        auto settings = settings_for(directory);
        auto writer = *LogWriter::open(settings);
        int line = 0;
        for (; line < 1000; line++) writer->append(OutputStream::Stdout, concat("number ", line, "\nsecond ", line, "\n"), now());
        uint64_t dropped = writer->dropped_lines();
        size_t kept = read_messages(settings.path).size();  // every line whole
        if (dropped == 0 || kept + dropped != 2000) ::_exit(3);
        if (::mount("tmpfs", directory.path.c_str(), "tmpfs", MS_REMOUNT, "size=1m") < 0) ::_exit(2);
        writer->append(OutputStream::Stdout, "after\n", now());
        auto messages = read_messages(settings.path);
        if (messages.size() != kept + 2 || messages.back().text != "after\\n") ::_exit(4);
        if (messages[kept].text != concat("proa: ", dropped, " log messages lost: No space left on device\\n")) ::_exit(5);
        ::_exit(0);
    }
    EXPECT_EQ(os::wait_for_exit(child)->code, 0);
}

TEST(LogFile, WritesFast) {
    TestDirectory directory;
    auto writer = *LogWriter::open(settings_for(directory));
    std::string batch;
    while (batch.size() < 256 * 1024) batch += "this is a line of a log, eighty characters long, like the usual ones we meet 00\n";
    int64_t begin = monotonic_nanoseconds();
    size_t total = 0;
    for (; total < 100u << 20; total += batch.size()) writer->append(OutputStream::Stdout, batch, now());
    double seconds = static_cast<double>(monotonic_nanoseconds() - begin) / 1e9;
    printf("log writer: %.0f MB/s of 80-byte lines\n", static_cast<double>(total) / 1e6 / seconds);
    RecordProperty("mb_per_s", static_cast<int>(static_cast<double>(total) / 1e6 / seconds));
}

}  // namespace
}  // namespace proa::shim
