#include "client/context_store.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "client/ssh_tunnel.h"
#include "os/file.h"

namespace proa::client {
namespace {

TEST(ContextStore, KeepsContextsAsDockerDoes) {
    char made[] = "/tmp/proa-contexts-XXXXXX";
    std::string directory = ::mkdtemp(made);
    Context context = make_context("far", "a <machine>", "tcp://h:2376", true);
    context.tls["docker"]["ca.pem"] = "CA";
    ASSERT_TRUE(save_context(directory, context));
    EXPECT_EQ(*os::read_file(context_directory(directory, "meta", "far") + "/meta.json"),
              R"({"Name":"far","Metadata":{"Description":"a \u003cmachine\u003e"},"Endpoints":{"docker":{"Host":"tcp://h:2376","SkipTLSVerify":true}}})");
    std::string file = context_directory(directory, "tls", "far") + "/docker/ca.pem";
    EXPECT_EQ(os::status(file)->st_mode & 0777, 0600u);
    EXPECT_EQ(os::status(directory + "/contexts/tls")->st_mode & 0777, 0700u);
    EXPECT_EQ(os::status(directory + "/contexts/meta")->st_mode & 0777, 0755u);
    auto loaded = load_context(directory, "far");
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->host(), "tcp://h:2376");
    EXPECT_EQ(loaded->description(), "a <machine>");
    EXPECT_EQ(loaded->tls, context.tls);
    context.tls.clear();
    ASSERT_TRUE(save_context(directory, context));
    EXPECT_FALSE(os::exists(file));
    EXPECT_EQ(list_contexts(directory)->size(), 1u);
    ASSERT_TRUE(remove_context(directory, "far"));
    EXPECT_TRUE(list_contexts(directory)->empty());
    EXPECT_TRUE(load_context(directory, "far").error().is(ErrorKind::NotFound));
    EXPECT_TRUE(os::remove_tree(directory));
}

TEST(ContextStore, ChecksNames) {
    for (auto name : {"ab", "a1_.+-", "9x"}) EXPECT_TRUE(check_context_name(name)) << name;
    for (auto name : {"", "a", "default", "-ab", "a b", "a/b", ".."}) EXPECT_FALSE(check_context_name(name)) << name;
}

std::string words(const char* address, const char* program = "docker") {
    auto parsed = SshAddress::parse(address);
    if (!parsed) return parsed.error().message();
    std::string all;
    for (auto& word : parsed->command(program)) all += (all.empty() ? "" : "|") + word;
    return all;
}

TEST(SshAddress, BecomesAnSshCommand) {
    const std::string ssh = "ssh|-o|ConnectTimeout=30|-T|";
    EXPECT_EQ(words("ssh://host"), ssh + "--|host|docker|system|dial-stdio");
    EXPECT_EQ(words("ssh://me@host:22"), ssh + "-l|me|-p|22|--|host|docker|system|dial-stdio");
    EXPECT_EQ(words("ssh://host/run/x.sock"), ssh + "--|host|docker|--host|unix:///run/x.sock|system|dial-stdio");
    EXPECT_EQ(words("ssh://[::1]:22"), ssh + "-p|22|--|::1|docker|system|dial-stdio");
    EXPECT_EQ(words("ssh://-oProxyCommand=x"), ssh + "--|-oProxyCommand=x|docker|system|dial-stdio");
    EXPECT_EQ(words("ssh://host/a'b", "proa"), ssh +
                                                   "--|host|command -v proa >/dev/null && exec proa --host 'unix:///a'\\''b' system dial-stdio; "
                                                   "exec docker --host 'unix:///a'\\''b' system dial-stdio");
    const std::string invalid = "ssh host connection is not valid: invalid SSH URL: ";
    EXPECT_EQ(words("ssh://me:secret@host"), invalid + "plain-text password is not supported");
    EXPECT_EQ(words("ssh://"), invalid + "hostname is empty");
    EXPECT_EQ(words("ssh://host?x=1"), invalid + "query parameters are not allowed: \"x=1\"");
    EXPECT_EQ(words("ssh://host:no"), invalid + "invalid port \":no\" after host");
}

}  // namespace
}  // namespace proa::client
