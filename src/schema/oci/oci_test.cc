#include <gtest/gtest.h>

#include "schema/oci/image.h"
#include "schema/oci/reference.h"

namespace proa::oci {
namespace {

TEST(Reference, AddsDockersDefaults) {
    auto parsed = *Reference::parse("busybox");
    EXPECT_EQ(parsed.name(), "docker.io/library/busybox");
    EXPECT_EQ(parsed.with_default_tag().familiar(), "busybox:latest");
    EXPECT_EQ(Reference::parse("index.docker.io/busybox:1")->text(), "docker.io/library/busybox:1");
    EXPECT_EQ(Reference::parse("me/app")->name(), "docker.io/me/app");
    EXPECT_EQ(Reference::parse("docker.io/library/a/b")->familiar_name(), "library/a/b");
    EXPECT_EQ(Reference::parse("localhost/x")->domain, "localhost");
    auto port = *Reference::parse("127.0.0.1:5000/bb:v1");
    EXPECT_EQ(port.domain + "|" + port.path + "|" + port.tag, "127.0.0.1:5000|bb|v1");
    EXPECT_EQ(Reference::parse("[::1]:5000/x")->domain, "[::1]:5000");
    std::string digest = "sha256:" + std::string(64, 'a');
    auto both = *Reference::parse("Reg.io/a--b/c__d.e:T_1@" + digest);
    EXPECT_EQ(both.tag, "T_1");
    EXPECT_EQ(both.digest, digest);
    EXPECT_EQ(Reference::parse("a@" + digest)->with_default_tag().familiar(), "a@" + digest);
}

TEST(Reference, RefusesWithDockersTexts) {
    auto text = [](std::string_view input) { return Reference::parse(input).error().message(); };
    for (auto bad : {"", "a b", "-x", "a/", "/a", "a//b", "x:", "x:-t", "a._b", "a___b", "x@sha256:12", "h:80x/a", "-h.io/a"}) EXPECT_EQ(text(bad), "invalid reference format") << bad;
    EXPECT_EQ(text("Busy"), "invalid reference format: repository name (library/Busy) must be lowercase");
    EXPECT_EQ(text("a.io/Busy:1"), "invalid reference format: repository name (Busy) must be lowercase");
    EXPECT_EQ(text("x@sha256:" + std::string(40, 'a')), "invalid checksum digest length");
    EXPECT_EQ(text("x@md9:" + std::string(40, 'a')), "unsupported digest algorithm");
    std::string id(64, 'a');
    EXPECT_EQ(text(id), "invalid repository name (" + id + "), cannot specify 64-byte hexadecimal strings");
    EXPECT_EQ(text(std::string(256, 'a')), "repository name must not be more than 255 characters");
    EXPECT_FALSE(Reference::parse("x:" + std::string(129, 't')));
}

TEST(Platform, ParsesAndNormalizes) {
    EXPECT_EQ(Platform::parse("linux/x86_64")->text(), "linux/amd64");
    EXPECT_EQ(Platform::parse("linux/arm64/v8")->text(), "linux/arm64");
    EXPECT_EQ(Platform::parse("armhf")->text(), "linux/arm/v7");
    EXPECT_EQ(Platform::parse("linux")->architecture, Platform::host().architecture);
    EXPECT_EQ(Platform::parse("bogus").error().message(), "\"bogus\": unknown operating system or architecture: invalid argument");
    EXPECT_FALSE(Platform::parse("a/b/c/d"));
    EXPECT_FALSE(Platform::parse("linux/"));
}

TEST(Platform, FallsBackToOlderVariants) {
    auto distance = [](auto wanted, auto offered) { return platform_distance(*Platform::parse(wanted), *Platform::parse(offered)); };
    EXPECT_EQ(distance("linux/amd64", "linux/amd64"), 0);
    EXPECT_EQ(distance("linux/arm/v7", "linux/arm/v6"), 1);
    EXPECT_EQ(distance("linux/arm/v6", "linux/arm/v7"), std::nullopt);
    EXPECT_EQ(distance("linux/amd64", "linux/amd64/v3"), std::nullopt);
    EXPECT_EQ(distance("linux/amd64", "linux/arm64"), std::nullopt);
    EXPECT_EQ(distance("linux/amd64", "windows/amd64"), std::nullopt);
    EXPECT_LT(*distance("linux/arm64", "linux/arm64"), *distance("linux/arm64", "linux/arm/v7"));
}

TEST(ImageConfig, ReadsAndWrites) {
    std::string text =
        R"({"created":"2024-01-02T03:04:05Z","architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Cmd":["sh"]},)"
        R"("rootfs":{"type":"layers","diff_ids":["sha256:1"]},"history":[{"created_by":"x","empty_layer":true}]})";
    auto config = json::decode<ImageConfig>(text);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->config.cmd->at(0), "sh");
    EXPECT_TRUE(config->history[0].empty_layer);
    EXPECT_EQ(json::encode(*config), text);
}

}  // namespace
}  // namespace proa::oci
