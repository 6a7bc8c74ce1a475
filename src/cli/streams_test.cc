#include "cli/streams.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/container_ports.h"
#include "cli/natural_order.h"
#include "cli/time_flags.h"

namespace proa::cli {
namespace {

TEST(DetachKeys, ParseNamesAndControls) {
    EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q").value(), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("a,ctrl-[").value(), "a\x1b");
    EXPECT_FALSE(parse_detach_keys("zzz"));
    EXPECT_FALSE(parse_detach_keys("ctrl-1"));
}

TEST(DetachDetector, HoldsPartialMatchesBack) {
    DetachDetector detector("\x10\x11");
    std::string out;
    EXPECT_FALSE(detector.feed("ab\x10", out));
    EXPECT_EQ(out, "ab");
    EXPECT_FALSE(detector.feed("c", out));
    EXPECT_EQ(out, "ab\x10" "c");
    EXPECT_FALSE(detector.feed("\x10\x10", out));
    EXPECT_TRUE(detector.feed("\x11", out));
    EXPECT_EQ(out, "ab\x10" "c\x10");
}

std::string frame(char stream, std::string_view text) {
    std::string head{stream, 0, 0, 0, 0, 0, static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
    return head + std::string(text);
}

TEST(FrameReader, SplitsAtAnyByte) {
    std::string data = frame(1, "out") + frame(2, "error") + frame(1, "") + frame(1, "x");
    for (size_t cut = 0; cut <= data.size(); cut++) {
        FrameReader reader;
        std::string out, error;
        auto sink = [&](int stream, std::string_view bytes) { (stream == 2 ? error : out).append(bytes); };
        ASSERT_TRUE(reader.feed(std::string_view(data).substr(0, cut), sink));
        ASSERT_TRUE(reader.feed(std::string_view(data).substr(cut), sink));
        EXPECT_EQ(out, "outx");
        EXPECT_EQ(error, "error");
    }
}

TEST(FrameReader, ReportsBadAndSystemStreams) {
    FrameReader bad, system;
    auto sink = [](int, std::string_view) {};
    EXPECT_EQ(bad.feed(frame(9, "x"), sink).error().message(), "Unrecognized input header: 9");
    EXPECT_EQ(system.feed(frame(3, "boom"), sink).error().message(), "error from daemon in stream: boom");
}

TEST(Ports, MergeEqualNumbersIntoRanges) {
    auto text = [](const char* json_text) { return ports_text(json::parse(json_text).value()); };
    EXPECT_EQ(text(R"([{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])"),
              "443/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
    EXPECT_EQ(text(R"([{"PrivatePort":12,"Type":"tcp"},{"PrivatePort":13,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":70,"PublicPort":70,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":71,"PublicPort":71,"Type":"tcp"}])"),
              "12-13/tcp, 0.0.0.0:70-71->70-71/tcp");
    EXPECT_EQ(text("[]"), "");
}

TEST(Order, NumbersCompareAsNumbers) {
    EXPECT_TRUE(natural_less("net2", "net10"));
    EXPECT_FALSE(natural_less("net10", "net2"));
    EXPECT_TRUE(natural_less("a", "b"));
    EXPECT_FALSE(natural_less("a", "a"));
}

TEST(TimeFlags, TakesUnixDurationsAndDates) {
    EXPECT_EQ(api_time("1700000000.5").value(), "1700000000.5");
    EXPECT_EQ(api_time("2023-11-14T22:13:20Z").value(), "1700000000.000000000");
    EXPECT_TRUE(api_time("10m"));
    EXPECT_FALSE(api_time("x"));
    EXPECT_EQ(api_time("").value(), "");
}

TEST(Signals, NamesForTheApi) {
    EXPECT_EQ(signal_name(15), "TERM");
    EXPECT_EQ(signal_name(10), "USR1");
    EXPECT_EQ(signal_name(40), "40");
}

}  // namespace
}  // namespace proa::cli
