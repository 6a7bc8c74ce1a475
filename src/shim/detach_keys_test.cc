#include "shim/detach_keys.h"

#include <gtest/gtest.h>

namespace proa::shim {
namespace {

struct Outcome {
    std::string passed;
    bool detached = false;
};
Outcome run(DetachKeys keys, std::initializer_list<std::string_view> reads) {
    Outcome outcome;
    for (auto read : reads) outcome.detached = outcome.detached || keys.filter(read, outcome.passed);
    if (!outcome.detached) outcome.passed.append(keys.held());
    return outcome;
}
const DetachKeys kDefault("\x10\x11");

TEST(DetachKeys, AreFoundInsideOneReadAndAcrossReads) {
    EXPECT_TRUE(run(kDefault, {"abc\x10\x11"}).detached);
    EXPECT_EQ(run(kDefault, {"abc\x10\x11 rest"}).passed, "abc");
    Outcome outcome = run(kDefault, {"abc\x10", "\x11"});
    EXPECT_TRUE(outcome.detached);
    EXPECT_EQ(outcome.passed, "abc");
}

TEST(DetachKeys, GivesABrokenBeginningBack) {
    Outcome outcome = run(kDefault, {"a\x10", "b", "\x10", "\x10", "\x11"});
    EXPECT_FALSE(outcome.detached);
    EXPECT_EQ(outcome.passed, "a\x10"
                              "b\x10\x10\x11");
    EXPECT_EQ(run(kDefault, {"end\x10"}).passed, "end\x10");
}

TEST(DetachKeys, MayBeMissing) {
    Outcome outcome = run(DetachKeys(""), {"\x10\x11"});
    EXPECT_FALSE(outcome.detached);
    EXPECT_EQ(outcome.passed, "\x10\x11");
}

TEST(DetachKeys, MayBeOneKeyOrMany) {
    EXPECT_TRUE(run(DetachKeys("a"), {"xxa"}).detached);
    EXPECT_TRUE(run(DetachKeys("abc"), {"ab", "", "c"}).detached);
    EXPECT_EQ(run(DetachKeys("abc"), {"ab", "d", "ab"}).passed, "abdab");
}

}  // namespace
}  // namespace proa::shim
