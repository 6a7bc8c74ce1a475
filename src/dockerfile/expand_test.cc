#include "dockerfile/expand.h"

#include <gtest/gtest.h>

#include <map>

#include "base/text.h"
#include "dockerfile/parser.h"

namespace proa::dockerfile {
namespace {

struct Case {
    const char* form;
    bool works;
    const char* result;
};
// What BuildKit of Docker 26.1 makes of `ENV R=<form>`.
const Case kCases[] = {
    {"$S", true, "val"},
    {"${S}", true, "val"},
    {"$U", true, ""},
    {"${U}", true, ""},
    {"${S:-d}", true, "val"},
    {"${E:-d}", true, "d"},
    {"${U:-d}", true, "d"},
    {"${S-d}", true, "val"},
    {"${E-d}", true, ""},
    {"${U-d}", true, "d"},
    {"${S:+r}", true, "r"},
    {"${E:+r}", true, ""},
    {"${U:+r}", true, ""},
    {"${S+r}", true, "r"},
    {"${E+r}", true, "r"},
    {"${U+r}", true, ""},
    {"${S:?msg}", true, "val"},
    {"${E:?msg}", false, "failed to process \"${E:?msg}\": E: msg"},
    {"${U:?msg}", false, "failed to process \"${U:?msg}\": U: msg"},
    {"${S?msg}", true, "val"},
    {"${E?msg}", true, ""},
    {"${U?msg}", false, "failed to process \"${U?msg}\": U: msg"},
    {"${U:?}", false, "failed to process \"${U:?}\": U: is not allowed to be unset"},
    {"${P#*/}", true, "a/b/c.tar.gz"},
    {"${P##*/}", true, "c.tar.gz"},
    {"${P%.*}", true, "/a/b/c.tar"},
    {"${P%%.*}", true, "/a/b/c"},
    {"${P#/a}", true, "/b/c.tar.gz"},
    {"${P#z}", true, "/a/b/c.tar.gz"},
    {"${L/X/-}", true, "a-bXc"},
    {"${L//X/-}", true, "a-b-c"},
    {"${L/X/}", true, "abXc"},
    {"${L/[a-b]/z}", true, "aXbXc"},
    {"${L//?X/z}", true, "zzc"},
    {"${L/#a/z}", true, "aXbXc"},
    {"${L/%c/z}", true, "aXbXc"},
    {"${U/x/y}", true, ""},
    {"${U#x}", true, ""},
    {"${U:-$S}", true, "val"},
    {"${U:-${S}}", true, "val"},
    {"${U:-${U2:-deep}}", true, "deep"},
    {"${S:+$P}", true, "/a/b/c.tar.gz"},
    {"${U:-a b}", false, "Syntax error - can't find = in \"b}\". Must be of the form: name=value"},
    {"\"${U:-a b}\"", true, "a b"},
    {"'$S'", true, "$S"},
    {"\"$S\"", true, "val"},
    {"\\$S", true, "$S"},
    {"\"\\$S\"", true, "$S"},
    {"'\\$S'", true, "\\$S"},
    {"$S$S", true, "valval"},
    {"${S}x", true, "valx"},
    {"$Sx", true, ""},
    {"a$", true, "a$"},
    {"$", true, "$"},
    {"$$", true, ""},
    {"$$S", true, "S"},
    {"$1", true, ""},
    {"${1}", true, ""},
    {"$-", true, ""},
    {"${S:1}", false, "failed to process \"${S:1}\": unsupported modifier (:1) in substitution"},
    {"${S:1:2}", false, "failed to process \"${S:1:2}\": unsupported modifier (:1) in substitution"},
    {"${#S}", false, "failed to process \"${#S}\": unsupported modifier (S) in substitution"},
    {"${!N}", false, "failed to process \"${!N}\": unsupported modifier (N) in substitution"},
    {"${S^^}", false, "failed to process \"${S^^}\": unsupported modifier (^) in substitution"},
    {"${S", false, "failed to process \"${S\": unsupported modifier (\357\277\275) in substitution"},
    {"${}", false, "failed to process \"${}\": syntax error: bad substitution"},
    {"$()", true, "$()"},
    {"`x`", true, "`x`"},
    {"\"a\\\"b\"", true, "a\"b"},
    {"a\\ b", true, "a b"},
    {"\"a\\nb\"", true, "a\\nb"},
    {"'a\\nb'", true, "a\\nb"},
    {"\\\\$S", true, "\\val"},
    {"\"\\\\\"", true, "\\"},
    {"a\"$S\"b", true, "avalb"},
    {"a'$S'b", true, "a$Sb"},
    {"$Q", true, "q q"},
    {"\"$Q\"", true, "q q"},
    {"${S:-}", true, "val"},
    {"${U:-}", true, ""},
    {"${U:}", false, "failed to process \"${U:}\": syntax error: missing '}'"},
    {"${ S }", false, "Syntax error - can't find = in \"S\". Must be of the form: name=value"},
    {"$S-$E-$U", true, "val--"},
    {"${U-}", true, ""},
    {"%S%", true, "%S%"},
    {"~", true, "~"},
    {"*", true, "*"},
    {"$HOME", true, ""},
    {"$PATH", true, "/usr/bin:/bin"},
    {"${P/\\//_}", true, "_a/b/c.tar.gz"},
    {"${P//\\//_}", true, "_a_b_c.tar.gz"},
};

std::optional<std::string> value_of(std::string_view name) {
    static const std::map<std::string, std::string, std::less<>> kValues = {{"S", "val"}, {"E", ""}, {"P", "/a/b/c.tar.gz"}, {"Q", "q q"}, {"N", "S"}, {"L", "aXbXc"}, {"PATH", "/usr/bin:/bin"}};
    auto found = kValues.find(name);
    return found == kValues.end() ? std::nullopt : std::optional(found->second);
}

/// The value of R after `ENV R=<form>`.
Result<std::string> set_by_env(const std::string& form) {
    auto document = TRY(parse(concat("ENV R=", form, "\n")));
    return expand(document.instructions[0].arguments[1], value_of);
}

TEST(Expand, GivesWhatDockerGives) {
    for (auto& one : kCases) {
        auto value = set_by_env(one.form);
        if (one.works) {
            ASSERT_TRUE(value) << one.form << ": " << value.error().message();
            EXPECT_EQ(*value, one.result) << one.form;
        } else {
            ASSERT_FALSE(value) << one.form << " gives " << *value;
            std::string_view message = value.error().message();
            EXPECT_EQ(trim_prefix(message, "dockerfile parse error on line 1: "), one.result) << one.form;
        }
    }
}

TEST(Expand, CutsWordsOutsideOfQuotes) {
    EXPECT_EQ(*expand_words("$Q", value_of), (std::vector<std::string>{"q", "q"}));
    EXPECT_EQ(*expand_words("\"$Q\" x", value_of), (std::vector<std::string>{"q q", "x"}));
    EXPECT_EQ(*expand_words("$E", value_of), (std::vector<std::string>{}));
    EXPECT_EQ(*expand_words("${U:-80 81}", value_of), (std::vector<std::string>{"80", "81"}));
}

TEST(Expand, KnowsTheOtherEscapeCharacter) {
    EXPECT_EQ(*expand("c:\\x`$S", value_of, '`'), "c:\\x$S");
}

TEST(Expand, LeavesQuotesOfHeredocsAlone) {
    EXPECT_EQ(*expand_heredoc("a='$S' \"${U:-d}\" \\$S \\n\\\\\n", value_of), "a='val' \"d\" $S \\n\\\\\n");
}

TEST(Expand, EndsWithDeepNesting) {
    std::string word;
    for (int i = 0; i < 10000; i++) word += "${U:-";
    EXPECT_FALSE(expand(word, value_of));
}

}  // namespace
}  // namespace proa::dockerfile
