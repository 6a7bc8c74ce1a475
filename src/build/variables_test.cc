#include "build/variables.h"

#include <gtest/gtest.h>

#include "build/configure.h"
#include "build/owner.h"

namespace proa::build {
namespace {

using Words = std::vector<std::string>;

TEST(Variables, GlobalsAreSeenInStagesOnlyWhenDeclared) {
    BuildArgs given{{"A", "given"}, {"UNSET", std::nullopt}};
    Variables variables(given, {{"TARGETARCH", "amd64"}});
    variables.declare_global("A", "fallback");
    variables.declare_global("B", "b");
    variables.declare_global("UNSET", "kept");
    EXPECT_EQ(variables.global("A"), "given");
    EXPECT_EQ(variables.global("UNSET"), "kept");
    EXPECT_EQ(variables.global("TARGETARCH"), "amd64");
    EXPECT_EQ(variables.lookup("B", {}), std::nullopt);
    variables.declare("B", std::nullopt);
    variables.declare("TARGETARCH", std::nullopt);
    EXPECT_EQ(variables.lookup("B", {}), "b");
    EXPECT_EQ(variables.for_run({}), (Words{"B=b", "TARGETARCH=amd64"}));
}

TEST(Variables, EnvironmentWinsOverArguments) {
    BuildArgs given{{"A", "given"}};
    Variables variables(given, {});
    variables.declare("A", "x");
    EXPECT_EQ(variables.lookup("A", {"A=env"}), "env");
    EXPECT_TRUE(variables.for_run({"A=env"}).empty());
    EXPECT_EQ(variables.for_run({}), Words{"A=given"});
    EXPECT_TRUE(variables.used().contains("A"));
}

TEST(Variables, AGlobalWithoutValueHidesTheAutomaticOne) {
    BuildArgs given;
    Variables variables(given, {{"BUILDPLATFORM", "linux/amd64"}});
    variables.declare_global("BUILDPLATFORM", std::nullopt);
    EXPECT_EQ(variables.global("BUILDPLATFORM"), std::nullopt);
}

TEST(Variables, ProxiesReachCommandsAndNothingElse) {
    BuildArgs given{{"http_proxy", "http://p"}, {"NO_PROXY", "x"}, {"Http_Proxy", "no"}};
    Variables variables(given, {});
    EXPECT_EQ(variables.proxies({}), (Words{"NO_PROXY=x", "http_proxy=http://p"}));
    EXPECT_TRUE(variables.for_run({}).empty());
    variables.declare("NO_PROXY", std::nullopt);
    EXPECT_EQ(variables.for_run({}), Words{"NO_PROXY=x"});
}

Result<std::string> apply(const std::string& line, oci::ImageConfig& config, bool& command_set) {
    auto document = TRY(dockerfile::parse(line + "\n"));
    auto command = TRY(dockerfile::read_command(document.instructions[0]));
    Words environment = config.config.env.value_or(Words());
    dockerfile::Lookup lookup = [&](std::string_view name) { return find_variable(environment, name); };
    return TRY(configure(command, config, command_set, lookup, '\\')).summary;
}

TEST(Configure, WritesWhatHistoryShows) {
    oci::ImageConfig config;
    bool command_set = false;
    auto summary = [&](const std::string& line) { return apply(line, config, command_set).value_or("failed"); };
    EXPECT_EQ(summary("ENV A=2 F=$A"), "ENV A=2 F=");
    EXPECT_EQ(summary("ENV A=3 F=$A"), "ENV A=3 F=2");
    EXPECT_EQ(summary("LABEL a=1 \"b c\"=\"d e\""), "LABEL a=1 b c=d e");
    EXPECT_EQ(summary("CMD [\"a\", \"b c\"]"), "CMD [\"a\" \"b c\"]");
    EXPECT_EQ(summary("ENTRYPOINT x y"), "ENTRYPOINT [\"/bin/sh\" \"-c\" \"x y\"]");
    EXPECT_EQ(*config.config.cmd, (Words{"a", "b c"}));
    EXPECT_EQ(summary("EXPOSE 81 80/UDP 5000-5001"), "EXPOSE 5000-5001 80/UDP 81");
    EXPECT_EQ(config.config.exposed_ports->size(), 4u);
    EXPECT_EQ(summary("VOLUME [\"/a\", \"/b\"]"), "VOLUME [/a /b]");
    EXPECT_EQ(summary("HEALTHCHECK --interval=1m CMD x"), "HEALTHCHECK &{[\"CMD-SHELL\" \"x\"] \"1m0s\" \"0s\" \"0s\" \"0s\" '\\x00'}");
    EXPECT_EQ(summary("SHELL [\"bash\", \"-c\"]"), "SHELL [bash -c]");
    EXPECT_EQ(history_text(config, "X"), "bash -c #(nop)  X");
    EXPECT_EQ(apply("EXPOSE abc", config, command_set).error().message(), "Invalid containerPort: abc");
    EXPECT_EQ(apply("STOPSIGNAL FOO", config, command_set).error().message(), "invalid signal: FOO");
}

TEST(Configure, EntrypointDropsAnInheritedCommandOnly) {
    oci::ImageConfig config;
    config.config.cmd = Words{"inherited"};
    bool command_set = false;
    ASSERT_TRUE(apply("ENTRYPOINT [\"e\"]", config, command_set));
    EXPECT_FALSE(config.config.cmd);
    ASSERT_TRUE(apply("CMD []", config, command_set));
    EXPECT_FALSE(config.config.cmd);
}

TEST(Configure, JoinsWorkingDirectories) {
    EXPECT_EQ(working_directory("", "a"), "/a");
    EXPECT_EQ(working_directory("/a", "b/../c"), "/a/c");
    EXPECT_EQ(working_directory("/a", "/x/"), "/x");
}

TEST(ModeChange, ReadsOctalAndSymbols) {
    auto change = [](const char* text, mode_t mode, bool directory = false) { return ModeChange::parse(text)->apply(mode, directory); };
    EXPECT_EQ(change("755", 0600), 0755u);
    EXPECT_EQ(change("4711", 0600), 04711u);
    EXPECT_EQ(change("u=rw,go=r", 0777), 0644u);
    EXPECT_EQ(change("a+X", 0644), 0644u);
    EXPECT_EQ(change("a+X", 0644, true), 0755u);
    EXPECT_EQ(change("go-rwx,u+s", 0755), 04700u);
    EXPECT_EQ(change("g=u", 0640), 0660u);
    EXPECT_EQ(ModeChange::parse("x").error().message(), "invalid chmod parameter: 'x'. it should be octal string and between 0 and 07777");
    EXPECT_FALSE(ModeChange::parse("99999"));
    EXPECT_FALSE(ModeChange::parse(""));
}

}  // namespace
}  // namespace proa::build
