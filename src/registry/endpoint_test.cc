#include "registry/endpoint.h"

#include <gtest/gtest.h>

#include "registry/credentials.h"
#include "registry/refusal.h"

namespace proa::registry {

namespace {
Config quiet() {
    Config config;
    config.certificate_folders = {"/nonexistent"};
    return config;
}

std::vector<std::string> bases(const Config& config, const std::string& domain, Purpose purpose) {
    std::vector<std::string> found;
    for (auto& endpoint : endpoints(config, domain, purpose).value_or(std::vector<Endpoint>()))
        found.push_back(endpoint.base + (endpoint.mirror ? " mirror" : ""));
    return found;
}
using Texts = std::vector<std::string>;
}  // namespace

TEST(Endpoint, LoopbackMayBePlain) {
    EXPECT_EQ(bases(quiet(), "127.0.0.1:5000", Purpose::Pull), (Texts{"https://127.0.0.1:5000", "http://127.0.0.1:5000"}));
    EXPECT_EQ(bases(quiet(), "[::1]:5000", Purpose::Pull), (Texts{"https://[::1]:5000", "http://[::1]:5000"}));
    EXPECT_EQ(bases(quiet(), "192.0.2.1", Purpose::Pull), (Texts{"https://192.0.2.1"}));
}

TEST(Endpoint, InsecureRegistriesAreHostsAndNets) {
    auto config = quiet();
    config.insecure = {"reg.test:5000", "192.0.2.0/24"};
    EXPECT_EQ(bases(config, "192.0.2.7:1", Purpose::Push).size(), 2u);
    EXPECT_EQ(bases(config, "reg.test:5000", Purpose::Push).size(), 2u);
    EXPECT_EQ(bases(config, "198.51.100.1", Purpose::Push).size(), 1u);
}

TEST(Endpoint, MirrorsArePulledFromOnly) {
    auto config = quiet();
    config.mirrors["docker.io"] = {"http://m.test/"};
    EXPECT_EQ(bases(config, "docker.io", Purpose::Pull), (Texts{"http://m.test mirror", "https://registry-1.docker.io"}));
    EXPECT_EQ(bases(config, "docker.io", Purpose::Push), (Texts{"https://registry-1.docker.io"}));
    EXPECT_EQ(bases(config, "192.0.2.1", Purpose::Pull).size(), 1u);
}

TEST(Url, Origins) {
    EXPECT_EQ(origin_of("https://Host/x"), "https://host:443");
    EXPECT_EQ(origin_of("http://[::1]/x"), "http://[::1]:80");
    EXPECT_EQ(origin_of("http://a:5000/x"), origin_of("HTTP://a:5000/y"));
    EXPECT_EQ(host_of("https://user@h:1/x"), "h:1");
}

TEST(Url, Resolves) {
    EXPECT_EQ(resolve_url("http://a/v2/x/blobs/uploads/", "/v2/y?z=1"), "http://a/v2/y?z=1");
    EXPECT_EQ(resolve_url("http://a/v2/x/", "https://b/c"), "https://b/c");
    EXPECT_EQ(resolve_url("https://a/v2/x?q=http://c", "//b/c"), "https://b/c");
    EXPECT_EQ(resolve_url("http://a/v2/x/y?q=1", "z"), "http://a/v2/x/z");
    EXPECT_EQ(resolve_url("http://a", "z"), "http://a/z");
    EXPECT_EQ(resolve_url("http://a/b", "/c?d=http://e"), "http://a/c?d=http://e");
}

TEST(Refusal, SpeaksAsDocker) {
    EXPECT_EQ(refusal(404, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})").message(), "manifest unknown: manifest unknown");
    EXPECT_EQ(refusal(401, "").message(), "unauthorized: authentication required");
    EXPECT_EQ(refusal(401, R"({"details":"incorrect username or password"})").message(), "unauthorized: incorrect username or password");
    EXPECT_EQ(refusal(500, "<html>").message(), "received unexpected HTTP status: 500 Internal Server Error");
    EXPECT_EQ(refusal(429, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})").message(), "toomanyrequests: slow down");
    EXPECT_TRUE(is_refusal(refusal(403, R"({"errors":[{"code":"DENIED"}]})"), "denied"));
}

TEST(Credentials, AnyAlphabetAndPadding) {
    auto found = Credentials::from_header("eyJ1c2VybmFtZSI6ICJhIiwgInBhc3N3b3JkIjogIj8_In0");
    EXPECT_EQ(found.username, "a");
    EXPECT_EQ(found.password.reveal(), "??");
    EXPECT_TRUE(Credentials::from_header("e30=").anonymous());
    EXPECT_TRUE(Credentials::from_header("%%%").anonymous());
    EXPECT_EQ(Credentials::from_json(R"({"auth":"YTpiOmM="})")->password.reveal(), "b:c");
}

}  // namespace proa::registry
