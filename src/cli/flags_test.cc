#include "cli/flags.h"

#include <gtest/gtest.h>

#include "cli/container_options.h"

namespace proa::cli {
namespace {

const Flag kTable[] = {
    {"all", 'a', FlagType::Bool, "Show all"},
    {"detach", 'd', FlagType::Bool, "Detach"},
    {"filter", 'f', FlagType::Filter, "Filter"},
    {"interactive", 'i', FlagType::Bool, "Keep open"},
    {"last", 'n', FlagType::Int, "Show n", "(default -1)", "-1"},
    {"memory", 'm', FlagType::Bytes, "Memory"},
    {"net", 0, FlagType::List, "", nullptr, "", kHidden, "network"},
    {"network", 0, FlagType::List, "Network"},
    {"period", 0, FlagType::Duration, "Period"},
    {"platform", 0, FlagType::StringSlice, "Platforms"},
    {"publish", 'p', FlagType::List, "Publish"},
    {"sig-proxy", 0, FlagType::Bool, "Proxy", "(default true)", "true"},
    {"tty", 't', FlagType::Bool, "Terminal"},
    {"time", 0, FlagType::Int, "", nullptr, "", kHidden, "last", "use --last instead"},
};

std::string error_of(std::vector<std::string> arguments) {
    FlagSet flags(kTable);
    auto parsed = flags.parse(arguments, true);
    return parsed ? "" : parsed.error().message();
}

TEST(Flags, ReadsCombinedShorthandsAndAttachedValues) {
    FlagSet flags(kTable);
    std::vector<std::string> arguments{"-itd", "-p80:80", "-p", "81:81", "-n=3", "--memory=1k", "image", "-a"};
    ASSERT_TRUE(flags.parse(arguments, false));
    EXPECT_TRUE(flags.is("interactive") && flags.is("tty") && flags.is("detach"));
    EXPECT_EQ(flags.list("publish"), (std::vector<std::string>{"80:80", "81:81"}));
    EXPECT_EQ(flags.integer("last"), 3);
    EXPECT_EQ(flags.integer("memory"), 1024);
    EXPECT_EQ(flags.arguments(), (std::vector<std::string>{"image", "-a"}));
    EXPECT_FALSE(flags.is("all"));
}

TEST(Flags, InterspersedFlagsEndAtTwoDashes) {
    FlagSet flags(kTable);
    std::vector<std::string> arguments{"x", "-a", "y", "--", "-d", "--z"};
    ASSERT_TRUE(flags.parse(arguments, true));
    EXPECT_TRUE(flags.is("all"));
    EXPECT_FALSE(flags.is("detach"));
    EXPECT_EQ(flags.arguments(), (std::vector<std::string>{"x", "y", "-d", "--z"}));
}

TEST(Flags, SwitchesTakeValuesOnlyByEquals) {
    FlagSet flags(kTable);
    std::vector<std::string> arguments{"--sig-proxy=false", "--all=1", "-d=F"};
    ASSERT_TRUE(flags.parse(arguments, true));
    EXPECT_FALSE(flags.is("sig-proxy"));
    EXPECT_TRUE(flags.is("all"));
    EXPECT_FALSE(flags.is("detach"));
    EXPECT_TRUE(flags.changed("detach"));
    EXPECT_TRUE(FlagSet(kTable).is("sig-proxy"));
    EXPECT_EQ(FlagSet(kTable).integer("last"), -1);
}

TEST(Flags, AliasesSetTheirTargetAndSayIt) {
    FlagSet flags(kTable);
    std::vector<std::string> arguments{"--net", "a", "--time", "4"};
    ASSERT_TRUE(flags.parse(arguments, true));
    EXPECT_EQ(flags.list("network"), (std::vector<std::string>{"a"}));
    EXPECT_EQ(flags.integer("last"), 4);
    EXPECT_EQ(flags.notices(), (std::vector<std::string>{"Flag --time has been deprecated, use --last instead"}));
}

TEST(Flags, SlicesSplitByCsv) {
    FlagSet flags(kTable);
    std::vector<std::string> arguments{"--platform", "a,\"b,c\"", "--platform", "d"};
    ASSERT_TRUE(flags.parse(arguments, true));
    EXPECT_EQ(flags.list("platform"), (std::vector<std::string>{"a", "b,c", "d"}));
}

TEST(Flags, ErrorsCarryPflagsTexts) {
    EXPECT_EQ(error_of({"--foo"}), "unknown flag: --foo");
    EXPECT_EQ(error_of({"--foo=1"}), "unknown flag: --foo");
    EXPECT_EQ(error_of({"-az"}), "unknown shorthand flag: 'z' in -z");
    EXPECT_EQ(error_of({"-zx"}), "unknown shorthand flag: 'z' in -zx");
    EXPECT_EQ(error_of({"--last"}), "flag needs an argument: --last");
    EXPECT_EQ(error_of({"-n"}), "flag needs an argument: 'n' in -n");
    EXPECT_EQ(error_of({"--=x"}), "bad flag syntax: --=x");
    EXPECT_EQ(error_of({"-n", "x"}), "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
    EXPECT_EQ(error_of({"--all=x"}), "invalid argument \"x\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"x\": invalid syntax");
    EXPECT_EQ(error_of({"-m", "abc"}), "invalid argument \"abc\" for \"-m, --memory\" flag: invalid size: 'abc'");
    EXPECT_EQ(error_of({"-f", "foo"}), "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)");
    EXPECT_EQ(error_of({"--period", "x"}), "invalid argument \"x\" for \"--period\" flag: time: invalid duration \"x\"");
    EXPECT_EQ(error_of({"-n", "99999999999999999999"}), "invalid argument \"99999999999999999999\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"99999999999999999999\": value out of range");
}

TEST(Flags, UsagesAlignAndWrap) {
    static const Flag kFew[] = {{"force", 'f', FlagType::Bool, "Force the removal"}, {"long-name", 0, FlagType::String, "One two three four five six seven eight nine ten eleven twelve"}};
    EXPECT_EQ(flag_usages(kFew, 60),
              "  -f, --force              Force the removal\n"
              "      --long-name string   One two three four five six\n"
              "                           seven eight nine ten eleven\n"
              "                           twelve\n");
}

std::string ports_of(std::vector<std::string> specs) {
    docker::PortSet exposed;
    docker::PortMap bindings;
    for (auto& spec : specs)
        if (auto added = add_published_port(spec, exposed, bindings); !added) return added.error().message();
    std::string out;
    for (auto& [port, list] : bindings.expanded())
        for (auto& binding : *list) out += port + "=" + binding.host_ip + "/" + binding.host_port + " ";
    return out;
}

TEST(ValueSyntax, PublishedPorts) {
    EXPECT_EQ(ports_of({"80"}), "80/tcp=/ ");
    EXPECT_EQ(ports_of({"8080:80"}), "80/tcp=/8080 ");
    EXPECT_EQ(ports_of({"127.0.0.1:90-91:90-91/udp"}), "90/udp=127.0.0.1/90 91/udp=127.0.0.1/91 ");
    EXPECT_EQ(ports_of({"[::1]::80"}), "80/tcp=::1/ ");
    EXPECT_EQ(ports_of({"8000-9000:80"}), "80/tcp=/8000-9000 ");
    EXPECT_EQ(ports_of({"a"}), "invalid containerPort: a");
    EXPECT_EQ(ports_of({"1:2:3:4"}), "invalid IP address: 1:2");
    EXPECT_EQ(ports_of({"1:2/foo"}), "invalid proto: foo");
    EXPECT_EQ(ports_of({"70000"}), "invalid containerPort: 70000");
}

TEST(ValueSyntax, Mounts) {
    auto mount = parse_mount("type=bind,src=/x,dst=/y,readonly,bind-propagation=rshared");
    ASSERT_TRUE(mount);
    EXPECT_EQ(json::encode(*mount), R"({"Type":"bind","Source":"/x","Target":"/y","ReadOnly":true,"BindOptions":{"Propagation":"rshared"}})");
    EXPECT_EQ(parse_mount("dst=/y")->type, "volume");
    EXPECT_EQ(parse_mount("x").error().message(), "invalid field 'x' must be a key=value pair");
    EXPECT_EQ(parse_mount("type=bind,src=a,dst=b,foo=1").error().message(), "unexpected key 'foo' in 'foo=1'");
    EXPECT_FALSE(parse_mount("type=tmpfs,dst=/a,volume-nocopy"));
}

TEST(ValueSyntax, DevicesNetworksGpus) {
    EXPECT_EQ(parse_device("/dev/a:/dev/b:r")->cgroup_permissions, "r");
    EXPECT_EQ(parse_device("/dev/a:rw")->path_in_container, "/dev/a");
    EXPECT_EQ(parse_device("/a:b:c:d").error().message(), "bad format for path: /a:b:c:d");
    EXPECT_TRUE(is_cdi_name("vendor.com/class=name"));
    EXPECT_FALSE(is_cdi_name("/dev/null"));
    auto network = parse_network_attachment("name=n,alias=a,driver-opt=x=y,gw-priority=3");
    ASSERT_TRUE(network);
    EXPECT_EQ(network->name, "n");
    EXPECT_EQ(network->settings.gw_priority, 3);
    EXPECT_EQ(parse_network_attachment("name=a,foo=b").error().message(), "invalid field key foo");
    EXPECT_EQ(parse_gpu_request("all")->count, -1);
    EXPECT_FALSE(parse_gpu_request("x"));
}

TEST(ValueSyntax, RestartPolicies) {
    EXPECT_EQ(parse_restart_policy("on-failure:3")->maximum_retry_count, 3);
    docker::RestartPolicy policy;
    EXPECT_TRUE(parse_restart_delay("1s:5m", policy));
    EXPECT_EQ(policy.delay_minimum, 1'000'000'000);
    EXPECT_EQ(policy.delay_maximum, 300'000'000'000);
    EXPECT_EQ(parse_restart_delay("soon", policy).error().message(), "invalid restart delay \"soon\": should be specified as 'FIRST[:LONGEST]', such as 500ms or 1s:5m");
    EXPECT_FALSE(parse_restart_delay("1s:", policy));
    EXPECT_EQ(parse_restart_policy("on-failure:x").error().message(), "invalid restart policy format: maximum retry count must be an integer");
}

}  // namespace
}  // namespace proa::cli
