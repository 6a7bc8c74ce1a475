#include "cli/build_board.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::cli {
namespace {

json::Value step(int stage, const char* name, int number, const char* text, const char* state) {
    return json::parse(concat(R"({"stage":)", stage, R"(,"step":{"stage":")", name, R"(","number":)", number, R"(,"count":3,"text":")", text, R"(","state":")",
                              state, "\"}}"))
        .value();
}
json::Value output(int stage, const char* text) { return json::parse(concat(R"({"stage":)", stage, R"(,"stream":")", text, "\"}")).value(); }

constexpr int64_t kSecond = 1000000000;

TEST(BuildBoard, ShowsParallelStepsWithTimesAndTheirLastLines) {
    BuildBoard board;
    board.see(step(0, "a", 1, "FROM x", "running"), 0);
    board.see(step(0, "a", 1, "FROM x", "cached"), kSecond / 10);
    board.see(step(0, "a", 2, "RUN make", "running"), kSecond);
    board.see(step(1, "b", 1, "FROM y", "running"), kSecond);
    for (auto text : {"one\\ntwo\\n", "three\\nfour\\nfi", "ve\\nsi"}) board.see(output(0, text), kSecond);
    auto picture = board.draw(3 * kSecond, 40, 20);
    std::vector<std::string> expected = {"[+] Building 3.0s (1/3)",
                                         " => CACHED [a 1/3] FROM x           0.1s",
                                         " => [a 2/3] RUN make                2.0s",
                                         " => => three",
                                         " => => four",
                                         " => => five",
                                         " => => si",
                                         " => [b 1/3] FROM y                  2.0s"};
    EXPECT_EQ(picture, expected);
    board.see(step(0, "a", 2, "RUN make", "done"), 4 * kSecond);
    EXPECT_EQ(board.draw(9 * kSecond, 40, 20)[2], " => [a 2/3] RUN make                3.0s");
    EXPECT_EQ(board.draw(9 * kSecond, 40, 20).size(), 4u);
}

TEST(BuildBoard, OldestFinishedStepsGiveWay) {
    BuildBoard board;
    for (int i = 1; i <= 9; i++) {
        board.see(step(0, "a", i, "RUN x", "running"), 0);
        if (i < 9) board.see(step(0, "a", i, "RUN x", "done"), 0);
    }
    auto picture = board.draw(0, 60, 4);
    ASSERT_EQ(picture.size(), 4u);
    EXPECT_TRUE(picture[0].starts_with("[+]"));
    EXPECT_NE(picture[3].find("[a 9/3]"), std::string::npos);
}

TEST(BuildBoard, LinesFitAndCannotSteerTheTerminal) {
    BuildBoard board;
    board.see(step(0, "a", 1, "RUN a very long command that does not fit", "running"), 0);
    board.see(output(0, "\\u001b[31mred\\u001b[0m\\u0007 10%\\r\\u001b[2K20% and so much more text\\r\\n"), 0);
    auto picture = board.draw(0, 24, 10);
    EXPECT_EQ(picture[1], " => [a 1/3] RUN a … 0.0s");
    EXPECT_EQ(picture[2], " => => 20% and so much …");
    EXPECT_FALSE(board.see(json::parse(R"({"stream":"Successfully built x\n"})").value(), 0));
}

}  // namespace
}  // namespace proa::cli
