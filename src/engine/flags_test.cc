#include "engine/flags.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace proa::engine {
namespace {

const Flag kFlags[] = {
    {"debug", 'D', "", "Enable debug mode", ""},
    {"host", 'H', "list", "Sockets to listen on", ""},
    {"log-level", 'l', "string", "Set the logging level", "\"info\""},
    {"mtu", 0, "int", "Set the MTU", "1500"},
};

/// What was set, "name=value" joined by spaces, then "|" and the arguments that are no flags; or the error's text.
std::string outcome(std::vector<std::string> arguments) {
    std::string seen;
    auto rest = parse_flags(kFlags, arguments, [&](const Flag& flag, std::string_view value) -> Result<void> {
        if (value == "zz") return fail(ErrorKind::InvalidArgument, "no such thing");
        seen += concat(flag.name, '=', value, ' ');
        return {};
    });
    return rest ? concat(seen, '|', join(*rest, ",")) : rest.error().message();
}

TEST(Flags, follow_the_grammar_of_pflag) {
    EXPECT_EQ(outcome({"-D", "--mtu", "5", "--mtu=6"}), "debug=true mtu=5 mtu=6 |");
    EXPECT_EQ(outcome({"-Dl", "debug"}), "debug=true log-level=debug |");
    EXPECT_EQ(outcome({"-lx", "-l=y", "-D=false"}), "log-level=x log-level=y debug=false |");
    EXPECT_EQ(outcome({"a", "--debug", "false", "--", "-D"}), "debug=true |a,false,-D");
    EXPECT_EQ(outcome({"-"}), "|-");
    EXPECT_EQ(outcome({"-H", "-D"}), "host=-D |");
    EXPECT_EQ(outcome({"--debug="}), "debug= |");
}

// Texts as dockerd 26.1 prints them.
TEST(Flags, name_what_is_wrong) {
    EXPECT_EQ(outcome({"--zz"}), "unknown flag: --zz");
    EXPECT_EQ(outcome({"--zz=5"}), "unknown flag: --zz");
    EXPECT_EQ(outcome({"-z"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(outcome({"-Dx"}), "unknown shorthand flag: 'x' in -x");
    EXPECT_EQ(outcome({"-="}), "unknown shorthand flag: '=' in -=");
    EXPECT_EQ(outcome({"--mtu"}), "flag needs an argument: --mtu");
    EXPECT_EQ(outcome({"-H"}), "flag needs an argument: 'H' in -H");
    EXPECT_EQ(outcome({"--=x"}), "bad flag syntax: --=x");
    EXPECT_EQ(outcome({"---x"}), "bad flag syntax: ---x");
    EXPECT_EQ(outcome({"--debug=zz"}), "invalid argument \"zz\" for \"-D, --debug\" flag: no such thing");
    EXPECT_EQ(outcome({"--mtu", "zz"}), "invalid argument \"zz\" for \"--mtu\" flag: no such thing");
}

TEST(Flags, print_as_a_table) {
    EXPECT_EQ(flag_table(std::span(kFlags).subspan(2), 50),
              "  -l, --log-level string   Set the logging level\n"
              "                           (default \"info\")\n"
              "      --mtu int            Set the MTU (default\n"
              "                           1500)\n");
}

}  // namespace
}  // namespace proa::engine
