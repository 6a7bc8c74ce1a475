#include "codec/json/syntax.h"

#include <gtest/gtest.h>

namespace proa::json {
namespace {

TEST(Syntax, accepts_what_is_well_formed) {
    for (auto text : {"{}", "[]", " null ", "-0.5e+3", "\"a\\u00e9\\n\"", "{\"a\":[1,{\"b\":{}},[]],\"c\":false}", "[[[[]]]]"}) EXPECT_EQ(syntax_error(text), "") << text;
}

// Each text was seen from dockerd 26.1 with that configuration file.
TEST(Syntax, names_the_fault_in_the_words_of_go) {
    struct {
        std::string_view text, fault;
    } cases[] = {
        {"{", "unexpected end of JSON input"},
        {"{\"a\":\"", "unexpected end of JSON input"},
        {"{\"debug\":true", "unexpected end of JSON input"},
        {"{\"a\"}", "invalid character '}' after object key"},
        {"{'a':1}", "invalid character '\\'' looking for beginning of object key string"},
        {"{\"debug\":true,}", "invalid character '}' looking for beginning of object key string"},
        {"{\"debug\":true} x", "invalid character 'x' after top-level value"},
        {"{\"debug\":tru}", "invalid character '}' in literal true (expecting 'e')"},
        {"{\"debug\":true \"mtu\":1}", "invalid character '\"' after object key:value pair"},
        {"hello", "invalid character 'h' looking for beginning of value"},
        {"{\"a\":01}", "invalid character '1' after object key:value pair"},
        {"{\"a\":\"\n\"}", "invalid character '\\n' in string literal"},
        {"{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"},
        {"{\"a\":\"\\u00zz\"}", "invalid character 'z' in \\u hexadecimal character escape"},
        {"{\"a\":-}", "invalid character '}' in numeric literal"},
        {"{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"},
        {"{\"a\":1ex}", "invalid character 'x' in exponent of numeric literal"},
        {"[1 2]", "invalid character '2' after array element"},
        {"{\"a\":[1}", "invalid character '}' after array element"},
        {"{,}", "invalid character ',' looking for beginning of object key string"},
        {"{\"a\":}", "invalid character '}' looking for beginning of value"},
        {"nul", "invalid character ' ' in literal null (expecting 'l')"},
        {"{\x01}", "invalid character '\\x01' looking for beginning of object key string"},
        {std::string_view("\0", 1), "invalid character '\\x00' looking for beginning of value"},
        {"{\"a\":\"\xc3\xa9\"\xc3\xa9}", "invalid character '\xc3\x83' after object key:value pair"},
    };
    for (auto& one : cases) EXPECT_EQ(syntax_error(one.text), one.fault) << one.text;
}

}  // namespace
}  // namespace proa::json
