#include "registry/hosts_file.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "os/file.h"

namespace proa::registry {

namespace {
struct Folder {
    Folder() {
        char name[] = "/tmp/proa-hosts-XXXXXX";
        path = ::mkdtemp(name);
        config.certificate_folders = {path};
    }
    ~Folder() { (void)os::remove_tree(path); }
    void write(const std::string& host, const std::string& name, const std::string& text) {
        (void)os::make_directories(concat(path, "/", host), 0755);
        ASSERT_TRUE(os::write_file(concat(path, "/", host, "/", name), text));
    }
    std::vector<std::string> ask(const std::string& domain, Purpose purpose) {
        auto list = endpoints(config, domain, purpose);
        if (!list) return {list.error().message()};
        std::vector<std::string> found;
        for (auto& one : *list)
            found.push_back(concat(one.api_url("/"), one.mirror ? " mirror" : "", one.name_space.empty() ? "" : " of ", one.name_space,
                                   one.trust.verify ? "" : " unverified"));
        return found;
    }
    std::string path;
    Config config;
};
using Texts = std::vector<std::string>;
}  // namespace

TEST(HostsFile, AsksInTheOrderOfTheFileAndTheServerLast) {
    Folder folder;
    folder.write("192.0.2.1", "hosts.toml", R"(
server = "https://192.0.2.9"
[host."https://z.test"]
  capabilities = ["pull", "resolve"]
[host."http://a.test:5000/v2"]
[host."https://192.0.2.1"]
  skip_verify = true
)");
    EXPECT_EQ(folder.ask("192.0.2.1", Purpose::Pull), (Texts{"https://z.test/v2/ mirror of 192.0.2.1", "http://a.test:5000/v2/ mirror of 192.0.2.1",
                                                             "https://192.0.2.1/v2/ unverified", "https://192.0.2.9/v2/"}));
    EXPECT_EQ(folder.ask("192.0.2.1", Purpose::Push),
              (Texts{"http://a.test:5000/v2/ mirror of 192.0.2.1", "https://192.0.2.1/v2/ unverified", "https://192.0.2.9/v2/"}));
    auto own = own_endpoints(folder.config, "192.0.2.1", Purpose::Push);
    ASSERT_TRUE(own);
    EXPECT_EQ(own->size(), 2u);
}

TEST(HostsFile, PathsAreKeptOrReplaceTheWholeRoot) {
    Folder folder;
    folder.write("192.0.2.1", "hosts.toml", R"(
[host."https://a.test/proxy/v2/"]
[host."https://b.test/api/oci"]
  override_path = true
[host."c.test"]
)");
    EXPECT_EQ(folder.ask("192.0.2.1", Purpose::Resolve), (Texts{"https://a.test/proxy/v2/ mirror of 192.0.2.1", "https://b.test/api/oci/ mirror of 192.0.2.1",
                                                                "https://c.test/v2/ mirror of 192.0.2.1", "https://192.0.2.1/v2/"}));
}

TEST(HostsFile, HeadersTimeoutsAndCertificates) {
    Folder folder;
    folder.write("192.0.2.1", "ca.pem", "AUTHORITY");
    folder.write("192.0.2.1", "one.pem", "");
    folder.write("192.0.2.1", "hosts.toml", R"(
[host."https://127.0.0.1:1"]
  ca = "ca.pem"
  client = [["one.pem", "one.pem"]]
  dial_timeout = "1.5s"
  [host."https://127.0.0.1:1".header]
    x-one = "1"
    x-two = ["2", "3"]
)");
    auto list = endpoints(folder.config, "192.0.2.1", Purpose::Pull);
    ASSERT_TRUE(list) << list.error().message();
    auto& first = list->front();
    EXPECT_TRUE(first.trust.verify) << "an authority of its own makes even loopback verified";
    EXPECT_NE(first.trust.authorities.find("AUTHORITY"), std::string::npos);
    EXPECT_EQ(first.trust.cert_file, folder.path + "/192.0.2.1/one.pem");
    EXPECT_EQ(first.connect_timeout_ms, 1500);
    EXPECT_EQ(first.headers.get("x-one"), "1");
    EXPECT_EQ(first.headers.count("x-two"), 2u);
}

TEST(HostsFile, TheDefaultFolderIsForRegistriesWithoutOne) {
    Folder folder;
    folder.write("_default", "hosts.toml", "[host.\"https://m.test\"]\n");
    folder.write("192.0.2.1_5000_", "hosts.toml", "[host.\"https://own.test\"]\n");
    EXPECT_EQ(folder.ask("docker.io", Purpose::Pull), (Texts{"https://m.test/v2/ mirror of docker.io", "https://registry-1.docker.io/v2/"}));
    EXPECT_EQ(folder.ask("192.0.2.1:5000", Purpose::Pull), (Texts{"https://own.test/v2/ mirror of 192.0.2.1:5000", "https://192.0.2.1:5000/v2/"}));
}

TEST(HostsFile, ConfiguredMirrorsComeFirst) {
    Folder folder;
    folder.config.mirrors["192.0.2.1"] = {"https://first.test/"};
    folder.write("192.0.2.1", "hosts.toml", "[host.\"https://second.test\"]\n");
    EXPECT_EQ(folder.ask("192.0.2.1", Purpose::Pull),
              (Texts{"https://first.test/v2/ mirror", "https://second.test/v2/ mirror of 192.0.2.1", "https://192.0.2.1/v2/"}));
}

TEST(HostsFile, NamesWhatIsWrong) {
    Config config;
    config.certificate_folders = {"/nonexistent"};
    auto problem = [&](std::string_view text) {
        auto parsed = parse_hosts_file(config, "/c/hosts.toml", text, "r.test");
        return parsed ? std::string("read") : parsed.error().message();
    };
    EXPECT_TRUE(problem("server = ").starts_with("/c/hosts.toml: line 1: ")) << problem("server = ");
    EXPECT_EQ(problem("server = 3"), "/c/hosts.toml: server: must be a string");
    EXPECT_EQ(problem("servers = \"x\""), "/c/hosts.toml: servers: unknown key");
    EXPECT_EQ(problem("capabilities = [\"pul\"]"), "/c/hosts.toml: capabilities: unknown capability \"pul\"");
    EXPECT_EQ(problem("override_path = true"), "/c/hosts.toml: override_path: needs a server with a path");
    EXPECT_EQ(problem("[host.\"ftp://x\"]"), "/c/hosts.toml: \"ftp://x\": only http and https are supported");
    EXPECT_EQ(problem("[host.\"https://u@x\"]"), "/c/hosts.toml: \"https://u@x\": must be of the form https://HOST[:PORT][/PATH]");
    EXPECT_EQ(problem("[host.\"https://192.0.2.1\"]\nskip_verify = \"yes\""), "/c/hosts.toml: skip_verify: must be true or false");
    EXPECT_EQ(problem("[host.\"https://192.0.2.1\"]\ndial_timeout = \"soon\""), "/c/hosts.toml: dial_timeout: must be a duration such as \"5s\"");
    EXPECT_EQ(problem("[host.\"https://192.0.2.1\"]\nclient = [[\"a\",\"b\"],[\"c\",\"d\"]]"),
              "/c/hosts.toml: client: only one client certificate is supported");
}

}  // namespace proa::registry
