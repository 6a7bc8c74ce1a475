#include "build/step_inputs.h"

#include <gtest/gtest.h>

namespace proa::build {

namespace {
StepInputs inputs(std::initializer_list<std::pair<const char*, const char*>> list) {
    StepInputs made;
    for (auto& [name, value] : list) made.add(name, value);
    return made;
}

TEST(StepInputs, TheFirstDifferenceIsNamed) {
    auto earlier = inputs({{"the command", "make"}, {"ARG A", "1"}, {"src/a.c", "x"}, {"src/b.c", "y"}});
    EXPECT_EQ(earlier.first_difference(earlier), std::nullopt);
    EXPECT_EQ(inputs({{"the command", "make"}, {"ARG A", "2"}, {"src/a.c", "other"}, {"src/b.c", "y"}}).first_difference(earlier), "ARG A has changed");
    EXPECT_EQ(inputs({{"the command", "make"}, {"ARG A", "1"}, {"ARG B", ""}, {"src/a.c", "x"}}).first_difference(earlier), "ARG B is new");
    EXPECT_EQ(inputs({{"the command", "make"}, {"ARG A", "1"}, {"src/b.c", "y"}}).first_difference(earlier), "src/a.c is gone");
}

TEST(StepInputs, AreReadBackAsTheyWerePrinted) {
    auto made = inputs({{"a\nfile", "1"}, {"caf\xc3\xa9 \xff", "2"}});
    EXPECT_EQ(StepInputs::parse(made.print()).first_difference(made), std::nullopt);
    EXPECT_EQ(StepInputs::parse(made.print()).print(), made.print());
    EXPECT_EQ(StepInputs::parse("short").print(), "");
    EXPECT_EQ(inputs({{"ARG TOKEN", "value"}}).print().find("value"), std::string::npos) << "values may be secret";
}
}  // namespace

}  // namespace proa::build
