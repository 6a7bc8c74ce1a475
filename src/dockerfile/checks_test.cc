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

TEST(Checks, KnowBaseImagesThatAreAtHand) {
    CheckInputs inputs;
    inputs.platform = "linux/amd64";
    inputs.image = [](const std::string& name) -> std::optional<CheckedImage> {
        if (name == "mine") return CheckedImage{"linux/amd64", {"PATH", "HOME"}};
        if (name == "other") return CheckedImage{"linux/arm64", {}};
        return std::nullopt;
    };
    EXPECT_EQ(rules("FROM other\n", inputs), "InvalidBaseImagePlatform@1");
    EXPECT_EQ(rules("FROM mine\nFROM unknown\nENV A=$B\n", inputs), "");
    EXPECT_EQ(rules("FROM --platform=linux/arm64 mine\n", inputs), "InvalidBaseImagePlatform@1 FromPlatformFlagConstDisallowed@1");
    EXPECT_EQ(rules("FROM mine AS a\nENV A=1\nENV B=$A$HOME\nENV C=$D\nFROM a\nENV E=$B\nENV F=$G\n", inputs), "UndefinedVar@4 UndefinedVar@7");
    EXPECT_EQ(check_dockerfile(*parse("FROM other\n"), inputs)->warnings[0].text,
              "Base image other was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build");
}

TEST(Checks, DescriptionsAreAskedFor) {
    const char* text =
        "# check=experimental=InvalidDefinitionDescription\n# wrong name\nARG a=1\n# a right\nARG a\n\n# apart\n\nARG b\n# no name\nFROM x AS y\n# many\nARG c "
        "d\n# y is z\nFROM x AS y2\n";
    EXPECT_EQ(rules(text), "InvalidDefinitionDescription@3 InvalidDefinitionDescription@11 InvalidDefinitionDescription@13 InvalidDefinitionDescription@15");
    EXPECT_EQ(rules("# wrong\nARG a\nFROM x\n"), "");
}

TEST(Checks, NamePages) {
    EXPECT_EQ(rule_page("StageNameCasing"), "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/");
    EXPECT_EQ(rule_page("JSONArgsRecommended"), "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
    EXPECT_TRUE(check_dockerfile(*parse("# check=error=true\nFROM a\n"), {})->is_error);
}

}  // namespace
}  // namespace proa::dockerfile
