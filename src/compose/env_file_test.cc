#include "compose/env_file.h"

#include <gtest/gtest.h>

namespace proa::compose {
namespace {

std::optional<std::string> outside(std::string_view name) { return name == "OUT" ? std::optional<std::string>("o") : std::nullopt; }

Mapping read(std::string_view text) {
    auto values = parse_env_file(text, outside, [](std::string_view) {});
    EXPECT_TRUE(values) << (values ? "" : values.error().message());
    return values.value_or(Mapping());
}
std::string error_of(std::string_view text) {
    auto values = parse_env_file(text, outside, [](std::string_view) {});
    return values ? "" : values.error().message();
}

TEST(EnvFile, ReadsEveryQuoting) {
    Mapping values =
        read("\xef\xbb\xbf# note\nA=plain  \nB=\"d $A \\\"q\\\"\\t\"\nC='s $A \\n'\nD=x # note\nE=x#y\nexport F=f\nG: g\nH = h\nI=\"a\nb\"\nJ=\n\n");
    EXPECT_EQ(values, (Mapping{{"A", "plain"},
                               {"B", "d plain \"q\"\t"},
                               {"C", "s $A \\n"},
                               {"D", "x"},
                               {"E", "x#y"},
                               {"F", "f"},
                               {"G", "g"},
                               {"H", "h"},
                               {"I", "a\nb"},
                               {"J", ""}}));
}

TEST(EnvFile, TakesBareKeysFromOutside) { EXPECT_EQ(read("OUT\nNOPE\n"), (Mapping{{"OUT", "o"}})); }

TEST(EnvFile, LooksOutsideFirst) { EXPECT_EQ(read("OUT=mine\nA=$OUT-${B:-b}\n"), (Mapping{{"OUT", "mine"}, {"A", "o-b"}})); }

TEST(EnvFile, EndsLinesAsWindowsDoes) { EXPECT_EQ(read("A=1\r\nB=\"2\"\r\n"), (Mapping{{"A", "1"}, {"B", "2"}})); }

TEST(EnvFile, EscapesDollarsAndOctals) { EXPECT_EQ(read("A=\"\\$x \\0101\"\nB=$$y\n"), (Mapping{{"A", "$x A"}, {"B", "$y"}})); }

TEST(EnvFile, SaysWhatIsWrong) {
    EXPECT_EQ(error_of("OK=1\nA B!=2\n"), "line 2: unexpected character \"!\" in variable name \"A B!=2\"");
    EXPECT_EQ(error_of("A='it's'\n"), "line 1: unexpected character \"'\" in variable name \"s'\"");
    EXPECT_EQ(error_of("A=\"open\n"), "line 2: unterminated quoted value \"open");
    EXPECT_EQ(error_of("A B=1\n"), "line 1: key cannot contain a space");
}

TEST(EnvFile, RawKeepsEverything) {
    auto values = parse_raw_env_file("A='x' # y\n# note\nB=$A\nOUT\n", outside);
    ASSERT_TRUE(values);
    EXPECT_EQ(*values, (Mapping{{"A", "'x' # y"}, {"B", "$A"}, {"OUT", "o"}}));
}

}  // namespace
}  // namespace proa::compose
