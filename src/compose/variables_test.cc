#include "compose/variables.h"

#include <gtest/gtest.h>

namespace proa::compose {
namespace {

std::optional<std::string> lookup(std::string_view name) {
    if (name == "SET") return "val";
    if (name == "EMPTY") return "";
    return std::nullopt;
}
std::string read(std::string_view text) {
    auto result = substitute(text, lookup, [](std::string_view) {});
    return result ? *result : "error: " + result.error().message();
}

TEST(Variables, KnowAllForms) {
    EXPECT_EQ(read("$SET ${SET} $$SET $1 $"), "val val $SET $1 $");
    EXPECT_EQ(read("${SET:-d}|${EMPTY:-d}|${NO:-d}"), "val|d|d");
    EXPECT_EQ(read("${SET-d}|${EMPTY-d}|${NO-d}"), "val||d");
    EXPECT_EQ(read("${SET:+r}|${EMPTY:+r}|${NO:+r}"), "r||");
    EXPECT_EQ(read("${SET+r}|${EMPTY+r}|${NO+r}"), "r|r|");
    EXPECT_EQ(read("${SET:?m}|${EMPTY?m}"), "val|");
    EXPECT_EQ(read("${NO:?set it}"), "error: required variable NO is missing a value: set it");
    EXPECT_EQ(read("${NO?}"), "error: required variable NO is missing a value");
}

TEST(Variables, NestAndPairBraces) {
    EXPECT_EQ(read("${A:-${B:-${SET}}}/${C:-x} end"), "val/x end");
    EXPECT_EQ(read("${A:-{\"a\": {}}}!"), "{\"a\": {}}!");
    EXPECT_EQ(read("${SET:+$SET}${A:-}"), "val");
}

TEST(Variables, RefuseWhatHasNoEnd) {
    for (auto* text : {"${", "${SET", "${}", "${1}", "${A B}", "${A!x}"}) {
        auto result = substitute(text, lookup, [](std::string_view) {});
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().number(), kInvalidTemplate);
        EXPECT_EQ(result.error().message(), text);
    }
}

TEST(Variables, TellWhichAreNotSet) {
    std::vector<std::string> unset;
    (void)substitute("$A ${B} ${C:-c} ${D:-$E}", lookup, [&](std::string_view name) { unset.emplace_back(name); });
    EXPECT_EQ(unset, (std::vector<std::string>{"A", "B", "E"}));
}

TEST(Variables, AreListedWithTheirDefaults) {
    std::map<std::string, Variable> variables;
    extract_variables("$A ${B:-b${C-c}} ${D:?e} ${E:+f} $$F", variables);
    EXPECT_EQ(variables.size(), 5u);
    EXPECT_EQ(variables["B"].default_value, "b${C-c}");
    EXPECT_EQ(variables["C"].default_value, "c");
    EXPECT_TRUE(variables["D"].required);
    EXPECT_EQ(variables["E"].presence_value, "f");
}

}  // namespace
}  // namespace proa::compose
