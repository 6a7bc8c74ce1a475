#include "dockerfile/ignore.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::dockerfile {
namespace {

/// The tree that every case looks at.
const char* const kFiles[] = {"a.txt", "b.md", "sub/a.txt", "sub/b.md", "sub/.env", "sub/deep/a.txt", "sub/deep/c.log", ".hidden", "README.md", "README-secret.md", "docs/README.md",
                              "sp ace.txt", "node_modules/x/i.js", "pkg/node_modules/y/i.js", "foo", "foobar", "x1.tmp", "[x].txt", "#f", "!bang", "Dockerfile", ".dockerignore"};

struct Case {
    const char* patterns;
    const char *included, *excluded;  // names between '|', a slash at the end means a directory; nullptr: the patterns are refused
};
// What BuildKit of Docker 26.1 does with these patterns.
const Case kCases[] = {
    {"*.txt", "sub/a.txt|sub/deep/a.txt|foobar", "[x].txt|a.txt|sp ace.txt"},
    {"**/*.txt", "foobar|sub/|sub/deep/", "[x].txt|a.txt|sp ace.txt|sub/a.txt|sub/deep/a.txt"},
    {"/a.txt", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"./a.txt", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"sub", "a.txt|foobar", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/|sub/deep/"},
    {"sub/", "a.txt|foobar", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/|sub/deep/"},
    {"/sub/", "a.txt|foobar", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/|sub/deep/"},
    {"sub/*", "a.txt|foobar|sub/", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
    {"sub/**", "a.txt|foobar|sub/", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
    {"**/deep", "a.txt|sub/a.txt|foobar|sub/", "sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
    {"*/deep", "a.txt|sub/a.txt|foobar|sub/", "sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
    {"sub/*/a.txt", "a.txt|sub/a.txt|foobar|sub/|sub/deep/", "sub/deep/a.txt"},
    {"**", "", "a.txt|sub/a.txt|sub/deep/c.log|Dockerfile|sub/|sub/deep/|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"*", "", "a.txt|sub/a.txt|sub/deep/c.log|Dockerfile|sub/|sub/deep/|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"*\n!a.txt", "a.txt", "sub/a.txt|sub/deep/c.log|Dockerfile|sub/|sub/deep/|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"*\n!sub", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log", "a.txt|Dockerfile|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"*\n!sub/deep", "sub/deep/a.txt|sub/deep/c.log|sub/", "a.txt|sub/a.txt|Dockerfile|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"*\n!sub/deep/a.txt", "sub/deep/a.txt|sub/|sub/deep/", "a.txt|sub/a.txt|sub/deep/c.log|Dockerfile|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"**\n!sub/deep/a.txt", "sub/deep/a.txt|sub/|sub/deep/", "a.txt|sub/a.txt|sub/deep/c.log|Dockerfile|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"sub\n!sub/a.txt", "a.txt|sub/a.txt|foobar|sub/", "sub/.env|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
    {"sub/\n!sub/deep/**", "a.txt|sub/deep/a.txt|foobar|sub/", "sub/.env|sub/a.txt|sub/b.md"},
    {"!a.txt\n*.txt", "sub/a.txt|sub/deep/a.txt|foobar", "[x].txt|a.txt|sp ace.txt"},
    {"*.md\n!README.md", "sub/deep/a.txt", "README-secret.md|b.md"},
    {"*.md\n!README*.md\nREADME-secret.md", "sub/deep/a.txt", "README-secret.md|b.md"},
    {"**/README.md\n!docs/README.md", "docs/README.md|sub/deep/a.txt", "README.md"},
    {"node_modules", "pkg/node_modules/y/i.js|sub/deep/a.txt", "node_modules/x/i.js|node_modules/|node_modules/x/"},
    {"**/node_modules", "sub/deep/a.txt|pkg/", "node_modules/x/i.js|pkg/node_modules/y/i.js|node_modules/|node_modules/x/|pkg/node_modules/"},
    {"**/node_modules/**", "sub/deep/a.txt|node_modules/|pkg/|pkg/node_modules/", "node_modules/x/i.js|pkg/node_modules/y/i.js|node_modules/x/"},
    {"foo", "sub/deep/a.txt", "foo"},
    {"foo*", "sub/deep/a.txt", "foo|foobar"},
    {"fo?", "sub/deep/a.txt", "foo"},
    {"x[0-9].tmp", "sub/deep/a.txt", "x1.tmp"},
    {"x[^0-9].tmp", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"\\[x\\].txt", "sub/deep/a.txt", "[x].txt"},
    {"[x].txt", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"\\#f", "sub/deep/a.txt", "#f"},
    {"#f", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {" #f", "sub/deep/a.txt", "#f"},
    {"\\!bang", "sub/deep/a.txt", "!bang"},
    {"!bang", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"sp ace.txt", "sub/deep/a.txt", "sp ace.txt"},
    {"  a.txt  ", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"sub/../a.txt", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"../a.txt", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {".", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"./", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {".*", "sub/deep/a.txt", ".dockerignore|.hidden"},
    {"**/.*", "sub/deep/a.txt|sub/", ".dockerignore|.hidden|sub/.env"},
    {"A.TXT", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"a.txt/", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"Dockerfile", "sub/deep/a.txt", "Dockerfile"},
    {".dockerignore", "sub/deep/a.txt", ".dockerignore"},
    {"*\n!**/*.txt", "[x].txt|a.txt|sp ace.txt|sub/a.txt|sub/deep/a.txt|sub/|sub/deep/", "sub/deep/c.log|Dockerfile|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"**/*.txt\n!sub/**/a.txt", "sub/a.txt|sub/deep/a.txt|foobar", "[x].txt|a.txt|sp ace.txt"},
    {"sub/**/a.txt", "a.txt|foobar|sub/|sub/deep/", "sub/a.txt|sub/deep/a.txt"},
    {"**sub", "a.txt|foobar", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/|sub/deep/"},
    {"sub**", "a.txt|foobar", "sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/|sub/deep/"},
    {"a**t", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"*/*", "a.txt|README.md|foobar|sub/|docs/|node_modules/|pkg/", "docs/README.md|node_modules/x/i.js|pkg/node_modules/y/i.js|sub/.env|sub/a.txt|sub/b.md|sub/deep/a.txt|sub/deep/c.log|sub/deep/|node_modules/x/|pkg/node_modules/"},
    {"*/*/*", "a.txt|sub/a.txt|foobar|sub/|sub/deep/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/", "node_modules/x/i.js|pkg/node_modules/y/i.js|sub/deep/a.txt|sub/deep/c.log"},
    {"\n# c\na.txt", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"\357\273\277a.txt", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"a.txt\r", "sub/a.txt|sub/deep/a.txt|foobar", "a.txt"},
    {"!", nullptr, nullptr},
    {"a{.txt,x}", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"[a-", nullptr, nullptr},
    {"sub\\deep", "a.txt|sub/a.txt|sub/deep/c.log|[x].txt|#f|!bang|x1.tmp|sub/deep/a.txt", ""},
    {"!sub\n*", "", "a.txt|sub/a.txt|sub/deep/c.log|Dockerfile|sub/|sub/deep/|docs/|node_modules/|pkg/|node_modules/x/|pkg/node_modules/"},
    {"sub/deep\n!sub\nsub/deep/c.log", "a.txt|sub/a.txt|foobar|sub/", "sub/deep/a.txt|sub/deep/c.log|sub/deep/"},
};

bool arrives(const IgnorePatterns& patterns, const std::string& name) {
    if (!name.ends_with('/')) return !patterns.excludes(name);
    if (!patterns.excludes(name.substr(0, name.size() - 1))) return true;
    for (std::string_view file : kFiles)
        if (file.starts_with(name) && !patterns.excludes(file)) return true;
    return false;
}

TEST(Ignore, DecidesAsDocker) {
    for (auto& one : kCases) {
        auto patterns = IgnorePatterns::parse(one.patterns);
        if (!one.included) {
            EXPECT_FALSE(patterns) << one.patterns;
            continue;
        }
        ASSERT_TRUE(patterns) << one.patterns << ": " << patterns.error().message();
        for (auto& name : split_nonempty(one.included, '|')) EXPECT_TRUE(arrives(*patterns, name)) << one.patterns << " drops " << name;
        for (auto& name : split_nonempty(one.excluded, '|')) EXPECT_FALSE(arrives(*patterns, name)) << one.patterns << " keeps " << name;
    }
}

TEST(Ignore, DescendsOnlyWhereSomethingMayComeBack) {
    auto patterns = *IgnorePatterns::parse("node_modules\nsub\n!sub/deep/*.txt\n");
    EXPECT_TRUE(patterns.may_include_below("sub"));
    EXPECT_TRUE(patterns.may_include_below("sub/deep"));
    EXPECT_FALSE(patterns.may_include_below("node_modules"));
    EXPECT_FALSE(IgnorePatterns::parse("sub\n")->may_include_below("sub"));
    EXPECT_TRUE(IgnorePatterns::parse("*\n!**/*.txt\n")->may_include_below("any/where"));
}

TEST(Ignore, MatchesPathsAsGo) {
    auto match = [](const char* pattern, const char* path) { return match_path(pattern, path).value_or(false); };
    EXPECT_TRUE(match("*.txt", "a.txt"));
    EXPECT_FALSE(match("*.txt", "d/a.txt"));
    EXPECT_FALSE(match("a", "a/b"));
    EXPECT_TRUE(match("[a-c]?", "bz"));
    EXPECT_FALSE(match("[^a-c]?", "bz"));
    EXPECT_TRUE(match("\\*", "*"));
    EXPECT_TRUE(match("!x", "!x"));
    EXPECT_EQ(match_path("[", "a").error().message(), "syntax error in pattern");
    EXPECT_EQ(match_path("a\\", "a").error().message(), "syntax error in pattern");
}

TEST(Ignore, EndsWithHostilePatterns) {
    std::string pattern, name(400, 'a');
    for (int i = 0; i < 40; i++) pattern += "*a";
    auto patterns = IgnorePatterns::of({pattern + "b"});
    ASSERT_TRUE(patterns);
    EXPECT_FALSE(patterns->excludes(name));
}

}  // namespace
}  // namespace proa::dockerfile
