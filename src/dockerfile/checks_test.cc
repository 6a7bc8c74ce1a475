#include "dockerfile/checks.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::dockerfile {
namespace {

/// "Rule@line Rule@line"
std::string rules(std::string_view text, CheckInputs inputs = {}) {
    auto report = check_dockerfile(*parse(text), inputs);
    if (!report) return report.error().message();
    std::vector<std::string> found;
    for (auto& warning : report->warnings) found.push_back(concat(warning.rule, '@', warning.line));
    return join(found, " ");
}

TEST(Checks, FindEachRule) {
    const std::pair<const char*, const char*> kCases[] = {
        {"FROM a\nRUN x\nCMD [\"x\"]\n", ""},
        {"FROM a AS Foo\n", "StageNameCasing@1"},
        {"FROM a as foo\n", "FromAsCasing@1"},
        {"FROM a\nRUN x \\\n\n y\n", "NoEmptyContinuation@4"},
        {"FROM a\nRUN x\nrun y\n", "ConsistentInstructionCasing@3"},
        {"FROM a AS x\nFROM b AS x\n", "DuplicateStageName@2"},
        {"FROM a AS scratch\n", "ReservedStageName@1"},
        {"FROM a\nCMD x y\n", "JSONArgsRecommended@2"},
        {"FROM a\nSHELL [\"bash\"]\nCMD x y\n", ""},
        {"FROM a\nMAINTAINER x\n", "MaintainerDeprecated@2"},
        {"FROM $X\n", "UndefinedArgInFrom@1"},
        {"FROM a\nWORKDIR x\n", "WorkdirRelativePath@2"},
        {"FROM a\nWORKDIR /x\nWORKDIR y\n", ""},
        {"FROM scratch\nENV A=$B\n", "UndefinedVar@2"},
        {"FROM scratch\nARG B\nENV A=$B\n", ""},
        {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]\n", "MultipleInstructionsDisallowed@3"},
        {"FROM a\nENV K v\n", "LegacyKeyValueFormat@2"},
        {"FROM --platform=$TARGETPLATFORM a\n", "RedundantTargetPlatform@1"},
        {"FROM --platform=linux/amd64 a\n", "FromPlatformFlagConstDisallowed@1"},
        {"FROM a\nARG DB_PASSWORD\nENV PUBLIC_KEY=1 API_TOKEN=2\n", "SecretsUsedInArgOrEnv@2 SecretsUsedInArgOrEnv@3"},
        {"ARG T\nFROM a:$T\n", "InvalidDefaultArgInFrom@2"},
        {"FROM a\nEXPOSE 80/TCP\n", "ExposeProtoCasing@2"},
        {"FROM a\nEXPOSE 80:80\n", "ExposeInvalidFormat@2"},
        {"# check=skip=JSONArgsRecommended\nFROM a\nCMD x\n", ""},
    };
    for (auto& [text, expected] : kCases) EXPECT_EQ(rules(text), expected) << text;
}

TEST(Checks, LookAtTheContext) {
    CheckInputs inputs;
    inputs.ignored = *IgnorePatterns::parse("secret\n");
    inputs.files = {"app.py", ".env", "keys/server.pem"};
    EXPECT_EQ(rules("FROM a\nCOPY secret /x\n", inputs), "CopyIgnoredFile@2");
    EXPECT_EQ(rules("FROM a\nCOPY app.py /x\n", inputs), "");
    EXPECT_EQ(rules("FROM a\nCOPY . /x\n", inputs), "CredentialsCopied@2 CredentialsCopied@2");
    EXPECT_EQ(rules("FROM a\nCOPY keys /x\n", inputs), "CredentialsCopied@2");
    EXPECT_EQ(rules("FROM a\nCOPY --from=a . /x\n", inputs), "");
}

TEST(Checks, NamePages) {
    EXPECT_EQ(rule_page("StageNameCasing"), "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/");
    EXPECT_EQ(rule_page("JSONArgsRecommended"), "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
    EXPECT_TRUE(check_dockerfile(*parse("# check=error=true\nFROM a\n"), {})->is_error);
}

}  // namespace
}  // namespace proa::dockerfile
