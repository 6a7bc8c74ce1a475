#include <gtest/gtest.h>

#include "codec/json/fields.h"

namespace {
struct Inner {
    std::string name;
    int64_t count = 0;
};
struct Outer {
    Inner base;
    std::optional<std::vector<std::string>> list;
    std::map<std::string, std::string> labels;
    bool flag = false;
    std::optional<Inner> inner;
};
}  // namespace
PROA_JSON_DECLARE(Inner)
PROA_JSON_TABLE(Inner, "Inner", field<&T::name>("Name"), field<&T::count>("Count", kOmitEmpty))
PROA_JSON_DECLARE(Outer)
PROA_JSON_TABLE(Outer, "Outer", embedded<&T::base>(), field<&T::list>("List"), field<&T::labels>("Labels"),
                field<&T::flag>("Flag", kOmitEmpty), field<&T::inner>("Inner", kOmitEmpty))

namespace proa::json {

TEST(Json, PrintsWhatItReads) {
    std::string text = R"({"a":[1,-2,1.5,true,null,"x\n<&>"],"b":{},"c":18446744073709551615})";
    EXPECT_EQ(print(*parse(text)), text);
    EXPECT_EQ(print(*parse(R"("<&>")"), Style{true, ""}), R"("\u003c\u0026\u003e")");
}

TEST(Json, NamesWhatIsWrong) {
    EXPECT_EQ(parse("{\"a\":").error().message(), "unexpected end of JSON input");
    EXPECT_EQ(parse("{} {}").error().message(), "unexpected content after JSON");
    EXPECT_FALSE(parse("{\"a\" 1}"));
    EXPECT_FALSE(parse(std::string(1000, '[')));
    EXPECT_TRUE(parse("\"\xff\""));
}

TEST(Json, RepeatedNamesKeepTheFirstPlaceAndTheLastValue) {
    EXPECT_EQ(print(*parse(R"({"b":1,"a":2,"b":3,"b":4})")), R"({"b":4,"a":2})");
    std::string text = "{", wanted = "{";
    for (int i = 40; i > 0; i--) {
        text += concat('"', i, "\":0,");
        wanted += concat(i == 40 ? "" : ",", '"', i, "\":", i % 2 == 0 ? 0 : i);
    }
    for (int i = 1; i < 40; i += 2) text += concat('"', i, "\":", i, i == 39 ? "}" : ",");
    EXPECT_EQ(print(*parse(text)), wanted + "}");
}

TEST(Json, FieldTablesFollowGo) {
    Outer outer;
    ASSERT_TRUE(decode(*parse(R"({"name":"n","COUNT":3,"List":["a"],"Labels":{"k":"v"},"Unknown":1,"Flag":null})"), outer));
    EXPECT_EQ(encode(outer), R"({"Name":"n","Count":3,"List":["a"],"Labels":{"k":"v"}})");
    ASSERT_TRUE(decode(*parse(R"({"List":null,"Inner":{"Name":"i"}})"), outer));
    EXPECT_EQ(encode(outer), R"({"Name":"n","Count":3,"List":null,"Labels":{"k":"v"},"Inner":{"Name":"i"}})");
    EXPECT_EQ(decode(*parse(R"({"Count":"x"})"), outer).error().message(),
              "json: cannot unmarshal string into Go struct field Outer.Count of type int64");
}

TEST(Json, SplitterCutsConcatenatedValues) {
    Splitter splitter;
    EXPECT_EQ(splitter.feed("{\"a\":\"}\"}{\"b\"").size(), 1u);
    EXPECT_FALSE(splitter.at_boundary());
    EXPECT_EQ(splitter.feed(":1}\r\n").size(), 1u);
    EXPECT_TRUE(splitter.at_boundary());
}

}  // namespace proa::json
