#include <gtest/gtest.h>

#include "codec/yaml/parse.h"
#include "codec/yaml/print.h"
#include "codec/yaml/scalar.h"

namespace proa::yaml {
namespace {

Node read(std::string_view text) {
    auto documents = parse(text);
    EXPECT_TRUE(documents) << (documents ? "" : documents.error().message());
    return documents && !documents->empty() ? std::move(documents->front()) : Node();
}
std::string error_of(std::string_view text) {
    auto documents = parse(text);
    return documents ? "" : documents.error().message();
}

TEST(Yaml, ReadsScalarsAsTheCoreSchemaSays) {
    Node node = read("a: 0755\nb: 1e3\nc: yes\nd: ~\ne: 22:22\nf: 2024-1-2\ng: '1'\nh: 0x1F\ni: 1_000\nj: True\nk: !!str 5\nl: -.5\nm: 0o17\n");
    EXPECT_EQ(node.find("a")->integer, 493);
    EXPECT_EQ(node.find("b")->real, 1000);
    EXPECT_EQ(node.find("b")->scalar_text(), "1000");
    EXPECT_EQ(node.text_at("c"), "yes");
    EXPECT_TRUE(node.find("d")->is_null());
    EXPECT_EQ(node.text_at("e"), "22:22");
    EXPECT_EQ(node.text_at("f"), "2024-01-02 00:00:00 +0000 UTC");
    EXPECT_EQ(node.text_at("g"), "1");
    EXPECT_EQ(node.find("h")->integer, 31);
    EXPECT_EQ(node.find("i")->integer, 1000);
    EXPECT_TRUE(node.find("j")->boolean);
    EXPECT_EQ(node.text_at("k"), "5");
    EXPECT_EQ(node.find("l")->real, -0.5);
    EXPECT_EQ(node.find("m")->integer, 15);
}

TEST(Yaml, KnowsWhereNodesStand) {
    Node node = read("a:\n  b:\n    - x\n    - yy: 1\n");
    auto& item = node.find("a")->find("b")->items[1];
    EXPECT_EQ(item.mark.line, 4);
    EXPECT_EQ(item.mark.column, 7);
    EXPECT_EQ(item.members[0].value.mark.column, 11);
}

TEST(Yaml, MergesKeysBehindOwnOnesAndEarlierMapsFirst) {
    Node node = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  c: 3\n");
    Node* z = node.find("z");
    EXPECT_EQ(z->find("a")->integer, 1);
    EXPECT_EQ(z->find("b")->integer, 1);
    EXPECT_EQ(z->find("c")->integer, 3);
}

TEST(Yaml, KeepsTagsOfTheApplication) {
    Node node = read("a: !reset null\nb: !override\n  - 1\n");
    EXPECT_EQ(node.find("a")->tag, "!reset");
    EXPECT_TRUE(node.find("a")->is_null());
    EXPECT_EQ(node.find("b")->tag, "!override");
    EXPECT_EQ(node.find("b")->items[0].integer, 1);
}

TEST(Yaml, ReadsSeveralDocumentsOrNone) {
    EXPECT_EQ(parse("a: 1\n---\nb: 2\n")->size(), 2u);
    EXPECT_EQ(parse("# nothing\n\n")->size(), 0u);
}

TEST(Yaml, RefusesWithTheWordsOfGosLibrary) {
    EXPECT_EQ(error_of("x: 1\ny: 2\nx: 3\n"), "yaml: unmarshal errors:\n  line 3: mapping key \"x\" already defined at line 1");
    EXPECT_EQ(error_of("services:\n  a:\n    environment:\n      YES: 1\n      true: 2\n"), "Non-string key in services.a.environment: true");
    EXPECT_EQ(error_of("80: x\n"), "Non-string key at top level: 80");
    EXPECT_EQ(error_of("a: *b\n"), "yaml: unknown anchor 'b' referenced");
    EXPECT_EQ(error_of("a: &a [*a]\n"), "yaml: anchor 'a' value contains itself");
    EXPECT_EQ(error_of("a:\n  b: c: d\n"), "yaml: line 2: mapping values are not allowed in this context");
    EXPECT_EQ(error_of("a: {b: [1}\n"), "yaml: did not find expected ',' or ']'");
    EXPECT_EQ(error_of("a:\n<<: 5\n"), "yaml: map merge requires map or sequence of maps as the value");
}

TEST(Yaml, SaysWhereItFailed) {
    Mark at;
    EXPECT_FALSE(parse("a: 1\nb:\n  c: 1\n  c: 2\n", 7, &at));
    EXPECT_EQ(at.line, 4);
    EXPECT_EQ(at.column, 3);
    EXPECT_EQ(at.source, 7);
}

TEST(Yaml, LimitsWhatAliasesMakeAndDepth) {
    std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
    for (char name = 'b'; name < 'j'; ++name) {
        bomb += std::string(1, name) + ": &" + name + " [";
        for (int i = 0; i < 10; ++i) bomb += std::string(i ? "," : "") + "*" + static_cast<char>(name - 1);
        bomb += "]\n";
    }
    EXPECT_EQ(error_of(bomb), "yaml: document contains excessive aliasing");
    EXPECT_EQ(error_of(std::string(300, '[')), "yaml: exceeded max depth of 200");
}

TEST(Yaml, PrintsTextsAsGosLibraryDoes) {
    auto printed = [](std::string_view text) { return yaml::print(json::Value(text)); };
    EXPECT_EQ(printed("plain text"), "plain text\n");
    EXPECT_EQ(printed(""), "\"\"\n");
    EXPECT_EQ(printed("y"), "\"y\"\n");
    EXPECT_EQ(printed("true"), "\"true\"\n");
    EXPECT_EQ(printed("12"), "\"12\"\n");
    EXPECT_EQ(printed("22:22"), "\"22:22\"\n");
    EXPECT_EQ(printed("a: b"), "'a: b'\n");
    EXPECT_EQ(printed("a #b"), "'a #b'\n");
    EXPECT_EQ(printed("*x"), "'*x'\n");
    EXPECT_EQ(printed("it's"), "it's\n");
    EXPECT_EQ(printed("'q"), "'''q'\n");
    EXPECT_EQ(printed("tab\there"), "\"tab\\there\"\n");
    EXPECT_EQ(printed("-x"), "-x\n");
    EXPECT_EQ(printed("- x"), "'- x'\n");
    EXPECT_EQ(printed(" x"), "' x'\n");
    EXPECT_EQ(printed("\xf0\x9f\x98\x80"), "\"\\U0001F600\"\n");
    EXPECT_EQ(printed("sch\xc3\xb6n"), "sch\xc3\xb6n\n");
}

TEST(Yaml, PrintsABlockAtTheRootSoThatItReadsBack) {
    std::string text = "---\nA: b\n# c\n\n'd";
    EXPECT_EQ(read(yaml::print(json::Value(text))).text, text);
}

TEST(Yaml, PrintsBlocks) {
    json::Object object{{"list", json::Array{"a", json::Object{{"k", "v"}, {"n", json::Value(nullptr)}}, json::Array{1, 2}}},
                        {"text", "one\ntwo\n"},
                        {"cut", "one\n\ntwo"},
                        {"kept", "one\n\n"},
                        {"none", json::Object{}},
                        {"empty", json::Array{}}};
    EXPECT_EQ(
        yaml::print(json::Value(object)),
        "list:\n  - a\n  - k: v\n    \"n\": null\n  - - 1\n    - 2\ntext: |\n  one\n  two\ncut: |-\n  one\n\n  two\nkept: |+\n  one\n\nnone: {}\nempty: []\n");
}

}  // namespace
}  // namespace proa::yaml
